"""Pieces of one read become one, whatever their sizes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from k8s_extcap.wire.joined import ROOM, Joined

# Sizes around the room's, and small ones.
SIZES = st.lists(st.one_of(st.integers(0, 40), st.sampled_from([ROOM - 1, ROOM, ROOM + 1, ROOM // 2])), max_size=12)


def content(sizes: list[int]) -> list[bytes]:
    return [bytes((n % 251,)) * size for n, size in enumerate(sizes, 1)]


@given(reads=st.lists(SIZES, max_size=4))
def test_nothing_is_lost_doubled_or_reordered(reads: list[list[int]]) -> None:
    used: list[bytes] = []
    joined = Joined(lambda data: used.append(bytes(data)))
    for sizes in reads:
        *first, last = [memoryview(piece) for piece in content(sizes)] or [memoryview(b"")]
        for piece in first:
            joined.add(piece)
        joined.flush(last)
        assert joined.flush() == 0, "a read is handed on whole"
    assert b"".join(used) == b"".join(piece for sizes in reads for piece in content(sizes))
    assert all(used)


def test_a_read_is_one_call_and_its_size_is_told() -> None:
    used: list[int] = []
    joined = Joined(lambda data: used.append(len(data)))
    joined.add(memoryview(b"abc"))
    joined.add(memoryview(b""))
    assert joined.flush(memoryview(b"de")) == 5
    assert joined.flush(memoryview(b"alone")) == 5
    assert joined.flush() == 0
    assert used == [5, 5]
