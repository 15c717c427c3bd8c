"""One GET: bounded, patient with a busy service, clear about everything else."""

import socket
import ssl
import threading
from itertools import count

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.fetch import codes
from attestation.fetch.errors import FetchFailed
from attestation.fetch.http import Http, Limits, parse_address, parse_base
from pki.keys import KeyAlgorithm, generate
from tests.fakes.marble_pki import MarblePki
from tests.fakes.rest_server import rest_server
from tests.fakes.vendor_services import Service


def test_an_answer_comes_with_its_headers_in_lower_case(service: Service, http: Http) -> None:
    service.pages["/a?b=1"] = (200, {"X-Chain": "pem"}, b"body")
    answer = http.get(f"{service.url}/a?b=1")
    assert (b"body", "pem") == (answer.body, answer.headers["x-chain"])


def test_a_busy_service_is_asked_again_when_it_says(service: Service, http: Http, slept: list[float]) -> None:
    service.pages["/a"] = (200, {}, b"body")
    service.first["/a"] = [(429, {"Retry-After": "7"}, b""), (503, {}, b"")]
    assert b"body" == http.get(f"{service.url}/a").body
    assert [7.0, 2.0] == slept


def test_a_service_that_stays_busy_is_given_up(service: Service, http: Http, slept: list[float]) -> None:
    service.pages["/a"] = (503, {"Retry-After": "99999"}, b"")
    with pytest.raises(FetchFailed, match="expected status 200, got 503") as refused:
        http.get(f"{service.url}/a")
    assert (codes.ANSWER, 503) == (refused.value.code, refused.value.status)
    assert [30.0, 30.0] == slept
    assert 3 == len(service.asked)


@pytest.mark.parametrize("status", [301, 400, 401, 404])
def test_other_answers_are_final(service: Service, http: Http, status: int) -> None:
    service.pages["/a"] = (status, {"Location": "/b"}, b"")
    with pytest.raises(FetchFailed, match=f"got {status}") as refused:
        http.get(f"{service.url}/a")
    assert (codes.ANSWER, status) == (refused.value.code, refused.value.status)
    assert ["/a"] == service.asked


def test_a_long_answer_is_cut_off(service: Service) -> None:
    service.pages["/a"] = (200, {}, bytes(1001))
    with pytest.raises(FetchFailed, match="expected at most 1000 bytes") as refused:
        Http(Limits(body=1000)).get(f"{service.url}/a")
    assert codes.CONTENT == refused.value.code
    service.pages["/a"] = (200, {}, bytes(1000))
    assert 1000 == len(Http(Limits(body=1000)).get(f"{service.url}/a").body)


def test_a_slow_answer_is_cut_off(service: Service, slept: list[float]) -> None:
    service.pages["/a"] = (200, {}, b"body")
    clock = count(step=31)
    with pytest.raises(FetchFailed, match="took longer than 30 s") as refused:
        Http(Limits(total=30), sleep=slept.append, monotonic=lambda: float(next(clock))).get(f"{service.url}/a")
    assert codes.UNREACHABLE == refused.value.code


def test_an_answer_that_ends_early_is_none(slept: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            for _ in range(3):
                connection, _address = listening.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(FetchFailed) as refused:
            Http(sleep=slept.append).get(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join()
    assert codes.UNREACHABLE == refused.value.code
    assert 2 == len(slept)


def test_nobody_there_is_said(http: Http, slept: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(FetchFailed, match="refused") as refused:
        http.get(f"http://127.0.0.1:{port}/a")
    assert (codes.UNREACHABLE, 0) == (refused.value.code, refused.value.status)


@pytest.mark.parametrize(
    "url",
    ["ftp://a/", "a", "https://", "https://user:geheim@a/", "http://a:port/", "http://a b/", "http://ä/", "http://[/"],
)
def test_other_addresses_are_refused_and_no_password_repeated(url: str) -> None:
    with pytest.raises(FetchFailed) as refused:
        parse_address(url)
    assert codes.ADDRESS == refused.value.code
    assert "geheim" not in str(refused.value)


def test_a_base_is_an_address_without_query() -> None:
    assert "https://pccs.example:8081/x" == parse_base("https://pccs.example:8081/x/")
    for url in ("https://a/?b", "https://a/#b"):
        with pytest.raises(FetchFailed, match="no query and no fragment"):
            parse_base(url)


def test_a_server_with_a_certificate_of_its_own_is_not_believed_unless_named(slept: list[float]) -> None:
    key = generate(KeyAlgorithm.EC_P384)
    root = MarblePki.create(root_key=key).root
    with rest_server((root,), key, lambda method, path, body: (200, b"body")) as (endpoint, seen):
        with pytest.raises(FetchFailed, match="a TLS certificate that is not believed: self-signed") as refused:
            Http(sleep=slept.append).get(f"https://{endpoint}/a")
        assert codes.UNREACHABLE == refused.value.code
        assert [] == seen.requests
        context = ssl.create_default_context(cadata=root.public_bytes(Encoding.PEM).decode())
        context.check_hostname = False
        assert b"body" == Http(context=context).get(f"https://{endpoint}/a").body
