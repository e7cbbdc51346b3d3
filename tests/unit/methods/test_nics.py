"""Which network interface is taken where nobody said."""

from __future__ import annotations

import pytest

from k8s_extcap.methods import nics
from tests.unit.methods.samples import request


@pytest.mark.parametrize(
    ("present", "host", "chosen", "told"),
    [
        ((), False, "eth0", False),
        (("eth0", "lo"), False, "eth0", False),
        (("net1", "eth0", "lo"), False, "eth0", False),
        (("ens5", "lo"), False, "ens5", False),
        (("net2", "net1", "lo"), False, "net2", True),
        (("lo",), False, "lo", True),
        (("ens5", "cni0", "eth0", "lo"), True, "ens5", True),
        (("eth0", "cni0", "lo"), True, "eth0", True),
    ],
)
def test_the_choice(present: tuple[str, ...], host: bool, chosen: str, told: bool) -> None:
    choice = nics.choose(request(), present, host_network=host)
    assert choice.nic == chosen
    assert bool(choice.sentence) is told


@pytest.mark.parametrize("present", [("eth0", "lo"), ("ens5", "cni0", "lo"), ("lo", "eth0")])
def test_in_a_nodes_network_lo_and_any_are_taken_only_when_asked_for(present: tuple[str, ...]) -> None:
    assert nics.choose(request(), present, host_network=True).nic not in ("lo", "any")
    assert nics.choose(request(interface="any"), present, host_network=True).nic == "any"
