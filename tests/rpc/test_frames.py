import pytest
from hyperframe import frame
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.rpc.frames import MAX_FRAME, FrameOutline, FrameTooLong

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CARRIERS = (frame.DataFrame(1, bytes(128)), frame.HeadersFrame(1, b"x"), frame.ContinuationFrame(1, b""))
SMALL = frame.DataFrame(1, bytes(127))
OTHERS = (SMALL, frame.PingFrame(0), frame.SettingsFrame(0), frame.RstStreamFrame(1), frame.ExtensionFrame(0xBB, 0))


@given(st.lists(st.sampled_from(CARRIERS + OTHERS), max_size=12), st.lists(st.integers(0, 40), max_size=20))
@settings(max_examples=80, deadline=None)
def test_frames_are_counted_however_their_bytes_are_cut(frames: list[frame.Frame], cuts: list[int]) -> None:
    raw = PREFACE + b"".join(one.serialize() for one in frames)
    outline, found = FrameOutline(), 0
    for cut in cuts:
        found += outline.follow(raw[:cut])
        raw = raw[cut:]
    found += outline.follow(raw)
    assert found == sum(one in OTHERS for one in frames)


def test_the_longest_frame_passes_and_one_byte_more_does_not() -> None:
    FrameOutline().follow(PREFACE + MAX_FRAME.to_bytes(3, "big") + bytes(6))
    with pytest.raises(FrameTooLong, match="expected at most 16384 bytes, got 16385"):
        FrameOutline().follow(PREFACE + (MAX_FRAME + 1).to_bytes(3, "big") + bytes(6))


def test_a_frame_has_64_settings_and_no_more() -> None:
    def follow(count: int) -> int:
        return FrameOutline().follow(PREFACE + (6 * count).to_bytes(3, "big") + b"\x04" + bytes(5))

    assert 1 == follow(64)
    with pytest.raises(FrameTooLong, match="expected at most 384 bytes, got 390"):
        follow(65)
