"""One GET, bounded in size and time.  The only code of this package that talks to the network.

What comes back is signed by a vendor and verified by whoever uses it, so a cache may also be asked by plain HTTP.
Redirects are not followed: no vendor's interface uses them.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import SplitResult, urlsplit

from attestation.fetch import codes
from attestation.fetch.errors import FetchFailed

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_BUSY: Final = (429, 500, 502, 503, 504)
_LONGEST_WAIT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A body with status 200.  headers: by name in lower case."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """attempts: for one GET.  silence: seconds without a byte.  total: seconds for one attempt.  body: bytes."""

    attempts: int = 3
    silence: float = 10.0
    total: float = 60.0
    body: int = MAX_BODY_BYTES


class Http:
    """A client.  sleep, monotonic: the clock, in seconds.  context: which TLS certificates are believed."""

    def __init__(
        self,
        limits: Limits = Limits(),
        *,
        context: ssl.SSLContext | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._context, self._sleep, self._monotonic = limits, context, sleep, monotonic

    def get(self, url: str) -> Answer:
        """The answer to a GET.  A service that is busy or cannot be reached is asked again, after a while.

        Raises FetchFailed, with the status of the last answer.
        """
        place = parse_address(url)
        for attempt in range(1, self._limits.attempts + 1):
            last = attempt == self._limits.attempts
            try:
                status, headers, body = self._exchange(place)
            except (OSError, HTTPException) as error:
                if last:
                    reason = _reason(error)
                    raise FetchFailed(codes.UNREACHABLE, f"{url}: expected an answer, got {reason}") from error
                self._sleep(_pause(attempt, ""))
                continue
            if status == 200:
                return Answer(url, headers, body)
            if last or status not in _BUSY:
                raise FetchFailed(codes.ANSWER, f"{url}: expected status 200, got {status}", status=status)
            self._sleep(_pause(attempt, headers.get("retry-after", "")))
        raise AssertionError("the last attempt returns or raises")

    def _exchange(self, place: SplitResult) -> tuple[int, Mapping[str, str], bytes]:
        deadline = self._monotonic() + self._limits.total
        connection = self._connection(place)
        try:
            target = place.path + (f"?{place.query}" if place.query else "")
            connection.request("GET", target or "/", headers={"User-Agent": "enclasp", "Accept": "*/*"})
            response = connection.getresponse()
            body = b""
            while chunk := response.read1(_CHUNK_BYTES):
                body += chunk
                if len(body) > self._limits.body:
                    what = f"expected at most {self._limits.body} bytes, got more"
                    raise FetchFailed(codes.CONTENT, f"{place.geturl()}: {what}")
                if self._monotonic() > deadline:
                    raise TimeoutError(f"an answer that took longer than {self._limits.total:g} s")
            announced = response.getheader("Content-Length")
            if announced is not None and announced != str(len(body)):
                raise ConnectionError(f"{len(body)} of {announced} bytes")
            return response.status, {name.lower(): value for name, value in response.getheaders()}, body
        finally:
            connection.close()

    def _connection(self, place: SplitResult) -> HTTPConnection:
        host = place.hostname or ""
        if place.scheme == "http":
            return HTTPConnection(host, place.port, timeout=self._limits.silence)
        context = self._context or ssl.create_default_context()
        return HTTPSConnection(host, place.port, timeout=self._limits.silence, context=context)


def parse_address(url: str) -> SplitResult:
    """An absolute http or https URL.  Raises FetchFailed, in which no user and password of the URL is repeated."""
    try:
        place = urlsplit(url)
        _ = place.port
    except ValueError as error:
        raise FetchFailed(codes.ADDRESS, f"address: expected a URL, got one with {error}") from error
    if place.username is not None or place.password is not None:
        raise FetchFailed(codes.ADDRESS, "address: expected no user or password in the URL, got one")
    if place.scheme not in ("http", "https") or not place.hostname or not url.isascii() or " " in url:
        raise FetchFailed(codes.ADDRESS, f"address: expected http://... or https://..., got '{url:.100}'")
    return place


def parse_base(url: str) -> str:
    """The address of a service, to which paths are added: no query, no fragment, no slash at the end."""
    place = parse_address(url)
    if place.query or place.fragment:
        raise FetchFailed(codes.ADDRESS, f"address: expected no query and no fragment, got '{url:.100}'")
    return url.rstrip("/")


def _pause(attempt: int, retry_after: str) -> float:
    """Seconds: what the service asks for, within reason; otherwise 1, 2, 4, ..."""
    wanted = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 2.0 ** (attempt - 1)
    return min(wanted, _LONGEST_WAIT)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"a TLS certificate that is not believed: {error.verify_message}"
    return str(error) or type(error).__name__
