"""The reader gives back what was written, however the bytes come in, and says where a file breaks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.truth import forge
from testbed.truth.files import Chunk, NotACaptureError, frames
from testbed.truth.forge import Made

NOW = 1_700_000_000_123_456_789

Writer = tuple[str, dict[str, Any], int]

made = st.lists(
    st.builds(Made, st.binary(min_size=0, max_size=90), st.integers(NOW, NOW + 10**12), st.none()), max_size=12
)
writers: st.SearchStrategy[Writer] = st.sampled_from(
    [
        ("pcap", {"order": "little"}, 1000),
        ("pcap", {"order": "big"}, 1000),
        ("pcap", {"order": "little", "nano": True}, 1),
        ("pcap", {"order": "big", "nano": True}, 1),
        ("pcapng", {"order": "little"}, 1),
        ("pcapng", {"order": "big", "resolution": 6}, 1000),
    ]
)


def written(writer: Writer, content: list[Made]) -> tuple[bytes, int]:
    name, options, unit = writer
    return getattr(forge, name)(content, **options), unit


@given(made, writers, st.lists(st.integers(1, 40), min_size=1))
def test_any_cutting_gives_the_frames_that_were_written(content: list[Made], writer: Writer, cuts: list[int]) -> None:
    file, unit = written(writer, content)
    chunks: list[Chunk] = []
    at = 0
    while at < len(file):
        size = cuts[len(chunks) % len(cuts)]
        chunks.append(Chunk(file[at : at + size], 1000 + len(chunks)))
        at += size
    read = list(frames(chunks))
    assert [(frame.data, frame.time_ns) for frame in read] == [
        (frame.data, frame.time_ns // unit * unit) for frame in content
    ]
    arrivals = [frame.arrived_ns or 0 for frame in read]
    assert arrivals == sorted(arrivals)
    if read:
        assert arrivals[-1] == 1000 + len(chunks) - 1


@given(made.filter(bool), writers, st.data())
def test_a_cut_file_gives_the_whole_frames_and_then_an_error(
    content: list[Made], writer: Writer, data: st.DataObject
) -> None:
    file, _ = written(writer, content)
    end = data.draw(st.integers(1, len(file) - 1))
    whole: list[bytes] = []
    said = None
    reader = frames([Chunk(file[:end])])
    try:
        whole.extend(frame.data for frame in reader)
    except NotACaptureError as error:
        said = str(error)
    if said is None:
        # the cut was between two records, or behind a section's header that no interface follows yet
        section = writer[0] == "pcapng" and end in {int.from_bytes(file[4:8], order) for order in ("little", "big")}
        assert section or written(writer, content[: len(whole)])[0] == file[:end]
    else:
        assert "ends inside a record" in said
    assert whole == [frame.data for frame in content[: len(whole)]]


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"tcpdump: permission denied", "neither pcap nor pcapng"),
        (forge.pcap([]) + b"\xff" * 40, "no packet header at 24"),
        (forge.pcapng([])[:-4] + b"\0\0\0\1", "has two lengths"),
        (forge.pcapng([]) + b"\6\0\0\0\7\0\0\0", "cannot be"),
    ],
)
def test_what_is_no_capture_is_said(file: bytes, sentence: str) -> None:
    with pytest.raises(NotACaptureError, match=sentence):
        list(frames([Chunk(file)]))


def test_an_empty_stream_has_no_frames() -> None:
    assert list(frames([])) == []


def test_a_later_section_may_have_the_other_byte_order() -> None:
    one, two = Made(b"one", NOW), Made(b"two", NOW + 5)
    file = forge.pcapng([one], order="little") + forge.pcapng([two], order="big", link=101)
    assert [(frame.data, frame.link) for frame in frames([Chunk(file)])] == [(b"one", 1), (b"two", 101)]
