"""Our end of HTTP/2 against the library h2: as the client that we serve, and as the judge of what we take."""

from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import hpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coordinator.rpc.fields import FieldsMalformed, check_request, check_trailers
from coordinator.rpc.frames import PREFACE, ErrorCode, FrameReader, Http2Error, encode_frame
from coordinator.rpc.http2 import DataCame, Http2Server, PeerLeaves, RequestBegan, WasReset, encode_fields

REQUEST = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/a/B"), (b":authority", b"x")]
HEAD = encode_fields([(b":status", b"200")])
END = encode_fields([(b"grpc-status", b"0")])
BLOCK = encode_fields(REQUEST)
GREETING = (4, 0, 0, b"")


class Pair:
    """A client of the library h2 and our server; `events` are what the server learned."""

    def __init__(self) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.client.initiate_connection()
        self.server = Http2Server(100, 16 * 1024)
        self.reader = FrameReader()
        self.events: list[Any] = []

    def exchange(self) -> list[Any]:
        """Carry bytes both ways until neither has any; what the client learned."""
        learned: list[Any] = []
        while True:
            to_server, to_client = self.client.data_to_send(), self.server.output()
            if not to_server and not to_client:
                return learned
            self.events += filter(None, (self.server.take(frame) for frame in self.reader.read(to_server)))
            learned += self.client.receive_data(to_client)


@given(
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 200_000)), min_size=1, max_size=4),
    st.sampled_from([1_000, 65_535, 1_000_000]),
    st.sampled_from([0, 4_096, 100_000]),
)
@settings(max_examples=40, deadline=None)
def test_bodies_arrive_whole_in_both_directions_whatever_the_windows(
    sizes: list[tuple[int, int]], window: int, table: int
) -> None:
    pair = Pair()
    codes = h2.settings.SettingCodes
    pair.client.update_settings({codes.INITIAL_WINDOW_SIZE: window, codes.HEADER_TABLE_SIZE: table})
    pair.exchange()
    for asked, answered in sizes:
        stream_id = pair.client.get_next_available_stream_id()
        pair.client.send_headers(stream_id, REQUEST)
        while asked:
            piece = min(asked, pair.client.local_flow_control_window(stream_id), 16_384)
            pair.client.send_data(stream_id, bytes(piece))
            asked -= piece
            pair.exchange()
        pair.client.end_stream(stream_id)
        pair.exchange()
        assert sum(len(event.data) for event in pair.events if isinstance(event, DataCame)) == sum(
            size for size, _ in sizes[: stream_id // 2 + 1]
        )
        assert pair.events[-1] == DataCame(stream_id, b"", True)
        pair.server.begin_answer(stream_id, HEAD)
        got, sent = 0, 0
        while sent < answered:
            room = pair.server.room(stream_id)
            pair.server.send_data(stream_id, bytes(min(room, answered - sent)))
            sent += min(room, answered - sent)
            for event in pair.exchange():
                if isinstance(event, h2.events.DataReceived):
                    got += len(event.data)
                    pair.client.acknowledge_received_data(event.flow_controlled_length, stream_id)
        pair.server.end_answer(stream_id, END)
        assert isinstance(pair.exchange()[-1], h2.events.StreamEnded)
        assert got == answered


def _say(*said: tuple[int, int, int, bytes]) -> list[Any]:
    """What a server learns from these frames, a greeting first."""
    server, reader = Http2Server(10, 4096), FrameReader()
    raw = PREFACE + b"".join(encode_frame(*one) for one in (GREETING, *said))
    return [server.take(frame) for frame in reader.read(raw)][1:]


OPEN = (1, 4, 1, BLOCK)
ENDED = (1, 5, 1, BLOCK)


def _length(text: bytes) -> tuple[int, int, int, bytes]:
    return (1, 4, 1, encode_fields([*REQUEST, (b"content-length", text)]))


WRONG = {
    "settings: an acknowledgement with content": ([(4, 1, 0, bytes(6))], [(4, 1, 0, b"")], ErrorCode.FRAME_SIZE_ERROR),
    "settings: cut": ([(4, 0, 0, bytes(5))], [(4, 0, 0, bytes(12))], ErrorCode.FRAME_SIZE_ERROR),
    "settings: of a stream": ([(4, 0, 1, b"")], [(4, 0, 0, b"")], ErrorCode.PROTOCOL_ERROR),
    "settings: push": ([(4, 0, 0, b"\0\2\0\0\0\2")], [(4, 0, 0, b"\0\2\0\0\0\1")], ErrorCode.PROTOCOL_ERROR),
    "settings: window": (
        [(4, 0, 0, b"\0\4\x80\0\0\0")],
        [(4, 0, 0, b"\0\4\x7f\xff\xff\xff")],
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "settings: window of an open stream": (
        [OPEN, (8, 0, 1, b"\0\0\0\1"), (4, 0, 0, b"\0\4\x7f\xff\xff\xff")],
        [OPEN, (4, 0, 0, b"\0\4\x7f\xff\xff\xff")],
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "settings: frame": ([(4, 0, 0, b"\0\5\0\0\x3f\xff")], [(4, 0, 0, b"\0\5\0\0\x40\0")], ErrorCode.PROTOCOL_ERROR),
    "ping: cut": ([(6, 0, 0, bytes(7))], [(6, 0, 0, bytes(8))], ErrorCode.FRAME_SIZE_ERROR),
    "ping: of a stream": ([(6, 0, 1, bytes(8))], [(6, 1, 0, bytes(8))], ErrorCode.PROTOCOL_ERROR),
    "goaway: cut": ([(7, 0, 0, bytes(7))], [(7, 0, 0, bytes(9))], ErrorCode.FRAME_SIZE_ERROR),
    "goaway: of a stream": ([(7, 0, 1, bytes(8))], [(7, 0, 0, bytes(8))], ErrorCode.PROTOCOL_ERROR),
    "window: cut": ([(8, 0, 0, bytes(3))], [(8, 0, 0, b"\0\0\0\1")], ErrorCode.FRAME_SIZE_ERROR),
    "window: nothing": ([(8, 0, 0, bytes(4))], [(8, 0, 0, b"\x80\0\0\1")], ErrorCode.PROTOCOL_ERROR),
    "window: too much": (
        [(8, 0, 0, b"\x7f\xff\xff\xff")],
        [(8, 0, 0, b"\x7f\xff\0\0")],
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "window: no request": ([(8, 0, 1, b"\0\0\0\1")], [OPEN, (8, 0, 1, b"\0\0\0\1")], ErrorCode.PROTOCOL_ERROR),
    "priority: cut": ([(2, 0, 1, bytes(4))], [(2, 0, 1, bytes(5))], ErrorCode.FRAME_SIZE_ERROR),
    "priority: of nothing": ([(2, 0, 0, bytes(5))], [(2, 0, 7, bytes(5))], ErrorCode.PROTOCOL_ERROR),
    "priority: behind itself": ([(2, 0, 1, b"\0\0\0\1\0")], [(2, 0, 1, b"\0\0\0\3\0")], ErrorCode.PROTOCOL_ERROR),
    "push": ([(5, 4, 1, bytes(4))], [(0xBB, 4, 1, bytes(4))], ErrorCode.PROTOCOL_ERROR),
    "reset: cut": ([OPEN, (3, 0, 1, bytes(3))], [OPEN, (3, 0, 1, bytes(4))], ErrorCode.FRAME_SIZE_ERROR),
    "reset: no request": ([(3, 0, 1, bytes(4))], [OPEN, (3, 0, 1, bytes(4))], ErrorCode.PROTOCOL_ERROR),
    "headers: of the connection": ([(1, 4, 0, BLOCK)], [OPEN], ErrorCode.PROTOCOL_ERROR),
    "headers: of an even stream": ([(1, 4, 2, BLOCK)], [(1, 4, 3, BLOCK)], ErrorCode.PROTOCOL_ERROR),
    "headers: of an ended stream": ([ENDED, ENDED], [ENDED, (1, 5, 3, BLOCK)], ErrorCode.STREAM_CLOSED),
    "headers: of an earlier stream": ([(1, 4, 3, BLOCK), OPEN], [OPEN, (1, 4, 3, BLOCK)], ErrorCode.STREAM_CLOSED),
    "headers: interrupted": (
        [(1, 0, 1, BLOCK), (6, 0, 0, bytes(8))],
        [OPEN, (6, 0, 0, bytes(8))],
        ErrorCode.PROTOCOL_ERROR,
    ),
    "headers: continued elsewhere": (
        [(1, 0, 1, BLOCK[:5]), (9, 4, 3, BLOCK[5:])],
        [(1, 0, 1, BLOCK[:5]), (9, 4, 1, BLOCK[5:])],
        ErrorCode.PROTOCOL_ERROR,
    ),
    "headers: no beginning": ([(9, 4, 1, BLOCK)], [OPEN], ErrorCode.PROTOCOL_ERROR),
    "headers: empty continuations without end": (
        [(1, 0, 1, BLOCK), *[(9, 0, 1, b"")] * 2000],
        [(1, 0, 1, BLOCK), *[(9, 0, 1, b"")] * 1000],
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "headers: no header compression": ([(1, 4, 1, b"\xff\xff")], [OPEN], ErrorCode.COMPRESSION_ERROR),
    "headers: a priority that is cut": (
        [(1, 0x24, 1, bytes(4))],
        [(1, 0x24, 1, bytes(5) + BLOCK)],
        ErrorCode.FRAME_SIZE_ERROR,
    ),
    "headers: padding": (
        [(1, 0xC, 1, b"\x63" + BLOCK)],
        [(1, 0xC, 1, b"\2" + BLOCK + b"\0\0")],
        ErrorCode.PROTOCOL_ERROR,
    ),
    "trailers: without end": ([OPEN, (1, 4, 1, END)], [OPEN, (1, 5, 1, END)], ErrorCode.PROTOCOL_ERROR),
    "trailers: of a request": ([OPEN, (1, 5, 1, BLOCK)], [OPEN, (1, 5, 1, END)], ErrorCode.PROTOCOL_ERROR),
    "data: of the connection": ([OPEN, (0, 0, 0, b"a")], [OPEN, (0, 0, 1, b"a")], ErrorCode.PROTOCOL_ERROR),
    "data: no request": ([(0, 0, 1, b"a")], [OPEN, (0, 0, 1, b"a")], ErrorCode.PROTOCOL_ERROR),
    "data: after the end": ([ENDED, (0, 0, 1, b"a")], [OPEN, (0, 1, 1, b"a")], ErrorCode.STREAM_CLOSED),
    "data: after a reset": (
        [OPEN, (3, 0, 1, bytes(4)), (0, 0, 1, b"a")],
        [OPEN, (0, 0, 1, b"a"), (3, 0, 1, bytes(4))],
        ErrorCode.STREAM_CLOSED,
    ),
    "data: padding": ([OPEN, (0, 8, 1, b"\1")], [OPEN, (0, 8, 1, b"\1\0")], ErrorCode.PROTOCOL_ERROR),
    "data: more than announced": (
        [_length(b"1"), (0, 1, 1, b"ab")],
        [_length(b"2"), (0, 1, 1, b"ab")],
        ErrorCode.PROTOCOL_ERROR,
    ),
    "data: less than announced": (
        [_length(b"3"), (0, 1, 1, b"ab")],
        [_length(b"3"), (0, 0, 1, b"ab")],
        ErrorCode.PROTOCOL_ERROR,
    ),
    "too many requests": (
        [(1, 4, number, BLOCK) for number in range(1, 23, 2)],
        [(1, 4, number, BLOCK) for number in range(1, 21, 2)],
        ErrorCode.PROTOCOL_ERROR,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_breaks_a_rule_ends_the_connection_and_its_neighbour_does_not(name: str) -> None:
    wrong, right, code = WRONG[name]
    _say(*right)
    with pytest.raises(Http2Error) as error:
        _say(*wrong)
    assert error.value.code is code


def test_a_frame_has_a_bounded_number_of_settings() -> None:
    """2,730 windows of 100 streams took 14 ms for 16 kB."""
    window = b"\x00\x04\x00\x00\x01\x00"
    assert [RequestBegan(1, REQUEST, True)] == [event for event in _say((4, 0, 0, window * 64), ENDED) if event]
    with pytest.raises(Http2Error, match="at most 64 in a frame"):
        _say((4, 0, 0, window * 65), ENDED)


@pytest.mark.parametrize("update", [b"\x20", b"\x3f\xe1\x1f"], ids=["0", "4096"])
def test_a_header_block_changes_the_size_of_its_table_twice_at_most(update: bytes) -> None:
    """RFC 7541, 4.2.  65,000 such bytes, which `hpack` takes, cost as much as ten activations."""
    for count, fine in ((0, True), (2, True), (3, False), (4_000, False)):
        block = (1, 5, 1, update * count + BLOCK)
        if fine:
            assert [RequestBegan(1, REQUEST, True)] == _say(block)
        else:
            with pytest.raises(Http2Error, match="at most 2 table sizes"):
                _say(block)


def test_settings_come_first() -> None:
    server = Http2Server(10, 4096)
    for frame in FrameReader().read(PREFACE + encode_frame(6, 0, 0, bytes(8))):
        with pytest.raises(Http2Error, match="settings first"):
            server.take(frame)


def test_what_was_on_its_way_when_we_reset_is_borne_and_its_fields_are_read() -> None:
    server, reader = Http2Server(10, 4096), FrameReader()
    encoder = hpack.Encoder()
    first = encoder.encode([*REQUEST, (b"a", b"indexed")])
    trailer = encoder.encode([(b"b", b"indexed too")])
    second = encoder.encode([*REQUEST, (b"a", b"indexed"), (b"b", b"indexed too")])
    for frame in reader.read(PREFACE + encode_frame(*GREETING) + encode_frame(1, 4, 1, first)):
        server.take(frame)
    server.reset(1, ErrorCode.CANCEL)
    late = encode_frame(0, 0, 1, b"late") + encode_frame(1, 5, 1, trailer) + encode_frame(1, 4, 3, second)
    *_, began = [server.take(frame) for frame in reader.read(late)]
    assert began == RequestBegan(3, [*REQUEST, (b"a", b"indexed"), (b"b", b"indexed too")], False)


def test_a_window_of_a_stream_that_grows_too_large_resets_the_stream_and_counts_as_a_reset() -> None:
    grows = (8, 0, 1, b"\x7f\xff\xff\xff")
    assert _say(OPEN, grows, (1, 4, 3, BLOCK))[1:] == [WasReset(1), RequestBegan(3, REQUEST, False)]


def test_a_reset_and_a_farewell_are_told() -> None:
    assert _say(OPEN, (3, 0, 1, bytes(4)), (7, 0, 0, bytes(8)))[1:] == [WasReset(1), PeerLeaves()]


NAMES = st.sampled_from(
    [b"a", b"A", b"a b", b"", b":path", b":x", b"te", b"connection", b"upgrade", b"content-length", b"x-1_~"]
)
VALUES = st.sampled_from([b"", b"1", b"trailers", b" a", b"a ", b"a\tb", b"a\nb", b"a\0", b"\xff", b"5", b"-1"])


@given(st.permutations(REQUEST), st.integers(0, 4), st.lists(st.tuples(NAMES, VALUES), max_size=3), st.integers(0, 6))
@example(REQUEST, 4, [(b"te", b"trailers")], 6)
@settings(max_examples=400, deadline=None)
def test_header_fields_that_we_take_are_taken_by_the_library_too(
    pseudo: list[tuple[bytes, bytes]], kept: int, more: list[tuple[bytes, bytes]], at: int
) -> None:
    fields = [*pseudo[:kept], *more]
    fields.insert(at, (b":authority", b"x")) if (b":authority", b"x") not in fields else None
    try:
        check_request(fields)
    except FieldsMalformed:
        return
    judge = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
    judge.receive_data(PREFACE + encode_frame(*GREETING) + encode_frame(1, 4, 1, encode_fields(fields)))


@pytest.mark.parametrize(
    "wrong",
    [
        REQUEST[1:],
        [*REQUEST, REQUEST[0]],
        [(b"a", b"b"), *REQUEST],
        [*REQUEST[:2], (b":path", b""), REQUEST[3]],
        [*REQUEST, (b":status", b"200")],
        [*REQUEST, (b"Te", b"trailers")],
        [*REQUEST, (b"te", b"gzip")],
        [*REQUEST, (b"keep-alive", b"1")],
        [*REQUEST, (b"a", b"b\r\nc: d")],
        [*REQUEST, (b"content-length", b"1"), (b"content-length", b"2")],
        [*REQUEST, (b"content-length", b"+1")],
    ],
)
def test_malformed_header_fields_are_refused(wrong: Any) -> None:
    with pytest.raises(FieldsMalformed):
        check_request(wrong)


def test_a_request_of_every_legal_kind_of_field_is_taken() -> None:
    fields = [*REQUEST, (b"te", b"trailers"), (b"x-bin", b"\xff a"), (b"content-length", b"12"), (b"e", b"")]
    assert check_request(fields) == 12
    assert check_request(REQUEST[:3]) is None
    check_trailers(fields[4:])
