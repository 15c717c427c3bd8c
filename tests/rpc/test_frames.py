import pytest
from hyperframe import frame
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.rpc.frames import MAX_FRAME, ErrorCode, Frame, FrameReader, Http2Error, encode_frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAMES = (
    frame.DataFrame(1, b"abc"),
    frame.HeadersFrame(3, b"x"),
    frame.PingFrame(0),
    frame.RstStreamFrame(2**31 - 1),
    frame.ExtensionFrame(0xBB, 0),
)


@given(st.lists(st.sampled_from(FRAMES), max_size=12), st.lists(st.integers(0, 40), max_size=20))
@settings(max_examples=80, deadline=None)
def test_frames_are_read_as_another_library_wrote_them_however_their_bytes_are_cut(
    sent: list[frame.Frame], cuts: list[int]
) -> None:
    raw = PREFACE + b"".join(one.serialize() for one in sent)
    reader, found = FrameReader(), list[Frame]()
    for cut in cuts:
        found += reader.read(raw[:cut])
        raw = raw[cut:]
    found += reader.read(raw)
    assert [one.serialize() for one in sent] == [encode_frame(*one) for one in found]


def test_the_longest_frame_passes_and_one_byte_more_does_not() -> None:
    reader = FrameReader()
    assert not list(reader.read(PREFACE + MAX_FRAME.to_bytes(3, "big") + bytes(6)))
    assert list(reader.read(bytes(MAX_FRAME))) == [Frame(0, 0, 0, bytes(MAX_FRAME))]
    with pytest.raises(Http2Error, match="expected at most 16384 bytes, got 16385") as error:
        list(FrameReader().read(PREFACE + (MAX_FRAME + 1).to_bytes(3, "big") + bytes(6)))
    assert error.value.code is ErrorCode.FRAME_SIZE_ERROR


def test_another_preface_is_refused_at_its_first_wrong_byte() -> None:
    reader = FrameReader()
    assert not list(reader.read(b"PRI * HTTP/"))
    with pytest.raises(Http2Error, match="preface"):
        list(reader.read(b"1"))
