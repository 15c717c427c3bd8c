"""One request over a real socket: pinned, bounded in time and size, and never a secret to a stranger."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from coordinator.client.client import CoordinatorClient
from coordinator.client.endpoint import Endpoint
from coordinator.client.errors import (
    AnswerInvalid,
    NotAuthorised,
    NotPinned,
    RequestRefused,
    Unreachable,
    WrongState,
)
from coordinator.client.transport import Limits, Request, Transport, key_digest
from coordinator.client.verify import verify_coordinator
from pki.certificates import der
from tests.fakes.front_door import MANIFEST, NOON, FrontDoor
from tests.fakes.marble_pki import MarblePki
from tests.fakes.rest_server import rest_server, server_context

STATUS = Request("GET", "/api/v2/status")


@pytest.fixture(scope="module")
def pki() -> MarblePki:
    return MarblePki.create()


def test_a_whole_visit_over_real_tls() -> None:
    door = FrontDoor()
    with rest_server((door.pki.root,), door.root_key, door.answer) as (endpoint, seen):
        exchange = Transport(endpoint).exchange
        deployment, client = verify_coordinator(exchange, door.expectation(), nonce=b"n" * 32, now=NOON)
        assert client.status().code == 3

    assert deployment.manifest is not None
    assert MANIFEST == deployment.manifest.raw
    assert [path.partition("?")[0] for _, path, _ in seen.requests] == [
        "/api/v2/quote",
        "/api/v2/manifest",
        "/api/v2/status",
    ]


def test_a_manifest_is_set_byte_for_byte() -> None:
    door = FrontDoor(manifest=None)
    with rest_server((door.pki.root,), door.root_key, door.answer) as (endpoint, _):
        client = CoordinatorClient(Transport(endpoint).exchange, key_digest(der(door.pki.root)))
        assert client.manifest_set(b"a: 1\r\n\n") == {}
        assert client.manifest_get().raw == b"a: 1\r\n\n"
        with pytest.raises(WrongState):
            client.manifest_set(b"again")


def test_nothing_is_sent_to_a_peer_with_another_key(pki: MarblePki) -> None:
    with rest_server((pki.root,), pki.root_key, lambda *_: (200, b"")) as (endpoint, seen):
        client = CoordinatorClient(Transport(endpoint).exchange, pin=key_digest(der(MarblePki.create().root)))
        with pytest.raises(NotPinned, match="does not hold the verified root key"):
            client.manifest_set(b"secret")
    assert seen.requests == []


def test_a_root_certificate_that_was_issued_anew_for_the_same_key_is_the_same_peer(pki: MarblePki) -> None:
    again = MarblePki.create(pki.root_key)
    body = b'{"status":"success","data":{"code":2,"message":"m"}}'
    with rest_server((again.root,), again.root_key, lambda *_: (200, body)) as (endpoint, _):
        assert CoordinatorClient(Transport(endpoint).exchange, key_digest(der(pki.root))).status().code == 2


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        (200, b"<html>", AnswerInvalid, "expected a JSON answer of a coordinator, got HTTP 200 '<html>'"),
        (200, b'{"status":"success","data":{"code":"2"}}', AnswerInvalid, "expected the fields code and message"),
        (200, b'{"status":"error"}', RequestRefused, "HTTP 200"),
        (200, b"[" * 100_000, AnswerInvalid, "expected a JSON answer"),
        (401, b'{"status":"fail","data":null,"message":"who are you"}', NotAuthorised, "who are you"),
        (405, b'{"status":"error","data":null}', AnswerInvalid, "does not know this path"),
        (500, b'{"status":"error","message":"E000 no good"}', RequestRefused, "no good"),
        (500, b'{"status":"error","message":"odd"}', RequestRefused, "odd"),
    ],
)
def test_an_answer_that_is_no_success_is_an_error_of_its_kind(
    pki: MarblePki, status: int, body: bytes, error: type[Exception], text: str
) -> None:
    with (
        rest_server((pki.root,), pki.root_key, lambda *_: (status, body)) as (endpoint, _),
        pytest.raises(error) as caught,
    ):
        CoordinatorClient(Transport(endpoint).exchange).status()
    assert text in str(caught.value)


def test_a_code_of_the_coordinator_is_kept(pki: MarblePki) -> None:
    body = json.dumps({"status": "error", "message": "E000 invalid manifest\n  line"}).encode()
    with (
        rest_server((pki.root,), pki.root_key, lambda *_: (500, body)) as (endpoint, _),
        pytest.raises(RequestRefused) as caught,
    ):
        CoordinatorClient(Transport(endpoint).exchange).manifest_set(b"x")
    assert caught.value.code == "E000"


@pytest.mark.parametrize(
    "data",
    [
        {"cert": "no", "quote": ""},
        {"cert": "", "quote": "!!"},
        {"cert": 1, "quote": ""},
        {"quote": ""},
        [],
    ],
)
def test_a_malformed_quote_is_no_answer(pki: MarblePki, data: object) -> None:
    body = json.dumps({"status": "success", "data": data}).encode()
    with rest_server((pki.root,), pki.root_key, lambda *_: (200, body)) as (endpoint, _), pytest.raises(AnswerInvalid):
        CoordinatorClient(Transport(endpoint).exchange).quote(b"n")


def test_a_longer_answer_than_the_limit_is_not_read(pki: MarblePki) -> None:
    with (
        rest_server((pki.root,), pki.root_key, lambda *_: (200, b"x" * 2000)) as (endpoint, _),
        pytest.raises(AnswerInvalid, match="longer than 1000 bytes"),
    ):
        Transport(endpoint, Limits(answer=1000)).exchange(STATUS, pin=None)


def test_where_nobody_listens_the_coordinator_is_unreachable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", closed.getsockname()[1])
        with pytest.raises(Unreachable, match="Connection refused"):
            Transport(endpoint).exchange(STATUS, pin=None)


@contextmanager
def plain_server(serve: Callable[[socket.socket], None]) -> Iterator[Endpoint]:
    """One connection, handled by `serve`."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)

    def accept() -> None:
        with listener.accept()[0] as connection:
            serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield Endpoint("127.0.0.1", listener.getsockname()[1])
    listener.close()
    thread.join(5)


def test_a_server_without_tls_is_told_apart() -> None:
    with (
        plain_server(lambda connection: connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")) as endpoint,
        pytest.raises((AnswerInvalid, Unreachable)) as caught,
    ):
        Transport(endpoint).exchange(STATUS, pin=None)
    assert "expected TLS" in str(caught.value) or "reset" in str(caught.value)


def test_a_server_that_never_shakes_hands_is_a_time_out() -> None:
    left = threading.Event()
    with plain_server(lambda _: (left.wait(5), None)[1]) as endpoint:
        with pytest.raises(Unreachable) as caught:
            Transport(endpoint, Limits(connect=0.2, whole=0.4)).exchange(STATUS, pin=None)
        left.set()
    assert caught.value.code == "N302"


def test_an_answer_that_drips_ends_at_the_deadline(pki: MarblePki) -> None:
    """Each byte comes in time; the whole does not."""
    context = server_context((pki.root,), pki.root_key)
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1000)
            secure.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.wait(0.05):
                try:
                    secure.sendall(b"X")
                except OSError:
                    return

    with plain_server(drip) as endpoint:
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
            Transport(endpoint, Limits(whole=0.5)).exchange(STATUS, pin=None)
        stop.set()
    assert time.monotonic() - began < 3


def test_who_takes_the_connection_and_says_nothing_is_told_by_the_time_that_was_waited() -> None:
    def silent(connection: socket.socket) -> None:
        connection.recv(10_000)  # the greeting
        connection.recv(1)  # until the visitor goes

    with (
        plain_server(silent) as endpoint,
        pytest.raises(Unreachable, match=r"no connection over TLS within 0\.2 s"),
    ):
        Transport(endpoint, Limits(connect=0.2, whole=5)).exchange(STATUS, pin=None)
