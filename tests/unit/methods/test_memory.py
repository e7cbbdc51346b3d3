"""The buffer never takes the memory that the application needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_extcap.methods import memory
from k8s_extcap.methods.tcpdump import RING_KIB
from k8s_extcap.model.objects import Container, Pod, PodSpec, Resources
from k8s_extcap.model.plan import ContainerFacts

MIB = 1 << 20


@given(
    limit=st.integers(0, 1 << 34),
    used=st.integers(0, 1 << 34),
    upload=st.integers(0, 4 * MIB),
    wanted=st.integers(0, 1 << 20),
    millis=st.integers(0, 4000) | st.none(),
)
def test_what_is_given_fits_and_what_is_refused_does_not(
    limit: int, used: int, upload: int, wanted: int, millis: int | None
) -> None:
    facts = ContainerFacts("c", memory_limit=limit, memory_used=used, cpu_millis=millis)
    room = memory.ring(facts, upload, wanted)
    if room.kib:
        assert used + upload + room.kib * 1024 + memory.MARGIN <= limit
        assert room.kib <= (wanted or RING_KIB)
        assert room.kib >= min(memory.LEAST_KIB, wanted or RING_KIB) - 64
    else:
        least = min(memory.LEAST_KIB, wanted or RING_KIB)
        assert used + upload + least * 1024 + memory.MARGIN > limit - 64 * 1024
        assert "MiB" in room.sentence
    if millis is not None and millis < memory.SLOW_CPU:
        assert room.kib <= memory.SLOW_KIB


def test_nothing_known_is_no_limit() -> None:
    assert memory.ring(ContainerFacts("c"), 2 * MIB) == memory.Room(RING_KIB)


def test_a_slow_container_gets_a_small_buffer_and_is_told() -> None:
    room = memory.ring(ContainerFacts("c", cpu_millis=50), 0)
    assert room.kib == 2048
    assert "50m" in room.sentence


def test_near_its_limit_the_figures_are_said() -> None:
    room = memory.ring(ContainerFacts("c", memory_limit=32 * MIB, memory_used=29 * MIB), 0)
    assert room.kib == 0
    assert room.sentence == (
        "29.0 MiB of its limit of 32.0 MiB are used, and a capture there needs 9.0 MiB: it could get the application "
        "killed"
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [("64Mi", 64 * MIB), ("1.5G", 1_500_000_000), ("500", 500), (500, 500), ("128974848k", 128974848000), ("1e3", 1000),
     ("10m", None), ("x", None), ("", None), ("1e999", None)],
)  # fmt: skip
def test_quantities(text: str | int, size: int | None) -> None:
    assert memory.bytes_of(text) == size


def pod(*limits: str) -> Pod:
    containers = tuple(
        Container(name=f"c{n}", resources=Resources(limits={"memory": v} if v else {})) for n, v in enumerate(limits)
    )
    return Pod(spec=PodSpec(containers=containers))


def test_a_pod_with_limits_bounds_the_ephemeral_container() -> None:
    used = {"c0": ContainerFacts("c0", memory_used=14 * MIB), "c1": ContainerFacts("c1", memory_used=10 * MIB)}
    assert memory.pod_ring(pod("16Mi", "16Mi"), used).kib == 0
    assert memory.pod_ring(pod("160Mi", "16Mi"), used).kib == RING_KIB


def test_a_container_whose_use_is_unknown_counts_as_full() -> None:
    used = {"c0": ContainerFacts("c0", memory_used=1 * MIB), "c1": ContainerFacts("c1", shell=False)}
    assert memory.pod_ring(pod("16Mi", "16Mi"), used).kib < RING_KIB


def test_a_pod_with_one_free_container_has_no_limit() -> None:
    used = {"c0": ContainerFacts("c0", memory_used=15 * MIB)}
    assert memory.pod_ring(pod("16Mi", ""), used).kib == RING_KIB
