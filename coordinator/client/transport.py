"""One request to a coordinator over TLS, with the standard library only.

No certificate authority vouches for a coordinator: its evidence does.  So the first connection takes any
certificate and reports it (`Answer.peer_leaf_der`); every later one is pinned to the verified root *key*, and
nothing is sent before the peer has shown that it holds it.  The key and not the certificate, since a coordinator
issues its root certificate anew for the same key whenever the manifest changes (design.md, 3).
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from attestation.anchors import MALFORMED
from coordinator.client.endpoint import Endpoint
from coordinator.client.errors import AnswerInvalid, NotPinned, Unreachable, UserFilesUnusable
from pki.certificates import load_der
from pki.keys import fingerprint, public_of_known_kind


@dataclass(frozen=True, slots=True)
class Limits:
    """connect, whole: seconds until there is a connection, and until the whole answer is there.

    answer: bytes of the longest body that is read (a manifest of 8 MiB in base64, and some).
    """

    connect: float = 10.0
    whole: float = 30.0
    answer: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """path: with query.  body: JSON for POST, empty for GET.  bearer: a token for `Authorization`, or empty."""

    method: str
    path: str
    body: bytes = b""
    bearer: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """status: of HTTP.  peer_leaf_der: the certificate that the TLS peer showed, in DER."""

    status: int
    body: bytes
    peer_leaf_der: bytes


class Exchange(Protocol):
    """How one request travels; `Transport.exchange` is the one over the network."""

    def __call__(self, request: Request, *, pin: bytes | None) -> Answer:
        """Send the request and read the answer.  pin: SHA-256 of the only key that may answer, or None for any."""


@dataclass(frozen=True, slots=True)
class UserFiles:
    """Whom a user shows himself as: files in PEM, a certificate (what follows it is sent too) and its key in clear."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Transport:
    """Opens one connection for each request.  clock: monotonic seconds.  user: None for requests of nobody."""

    endpoint: Endpoint
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    user: UserFiles | None = None

    def exchange(self, request: Request, *, pin: bytes | None) -> Answer:
        """Send one request and read the whole answer.

        pin: SHA-256 of the SubjectPublicKeyInfo that the peer must hold (`key_digest`), or None for any.
        Raises Unreachable, AnswerInvalid, NotPinned, UserFilesUnusable.
        """
        deadline = self.clock() + self.limits.whole
        try:
            with self._connected() as connected:
                connected.limit_to(deadline, self.clock)
                peer = connected.getpeercert(binary_form=True)
                if peer is None:
                    raise AnswerInvalid("N303", f"{self.endpoint}: the TLS peer shows no certificate")
                if pin is not None and _digest_or_none(peer) != pin:
                    raise NotPinned("V131", f"{self.endpoint}: the TLS peer does not hold the verified root key")
                status, body = self._talk(connected, request)
                return Answer(status, body, peer)
        except TimeoutError as cause:
            raise Unreachable("N302", f"{self.endpoint}: no answer within {self.limits.whole:g} s") from cause
        except http.client.HTTPException as cause:
            raise AnswerInvalid(
                "N303", f"{self.endpoint}: expected HTTP, got {type(cause).__name__}: {str(cause)[:200]}"
            ) from cause
        except ssl.SSLError as cause:
            got = _TLS_WORDS.get(cause.reason or "", cause.reason or str(cause))
            raise AnswerInvalid("N303", f"{self.endpoint}: expected TLS, got {got}") from cause
        except OSError as cause:
            raise Unreachable("N301", f"{self.endpoint}: {cause.strerror or cause}") from cause

    def _connected(self) -> "_HurriedSocket":
        try:
            return self._connect()
        except TimeoutError as cause:
            message = f"{self.endpoint}: no connection over TLS within {self.limits.connect:g} s"
            raise Unreachable("N302", message) from cause

    def _connect(self) -> "_HurriedSocket":
        plain = socket.create_connection((self.endpoint.host, self.endpoint.port), timeout=self.limits.connect)
        try:
            connected = _context(self.user).wrap_socket(plain, server_hostname=self.endpoint.host)
        except BaseException:
            plain.close()
            raise
        assert isinstance(connected, _HurriedSocket)
        return connected

    def _talk(self, connected: "_HurriedSocket", request: Request) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.endpoint.host, self.endpoint.port)
        connection.sock = connected
        headers = {"Host": str(self.endpoint), "Connection": "close", "Accept": "application/json"}
        if request.method == "POST":
            headers["Content-Type"] = "application/json"
        if request.bearer:
            headers["Authorization"] = f"Bearer {request.bearer}"
        connection.request(request.method, request.path, request.body or None, headers)
        with connection.getresponse() as response:
            body = response.read(self.limits.answer + 1)
            if len(body) > self.limits.answer:
                raise AnswerInvalid("N303", f"{self.endpoint}: the answer is longer than {self.limits.answer} bytes")
            return response.status, body


def key_digest(certificate_der: bytes) -> bytes:
    """SHA-256 of a certificate's SubjectPublicKeyInfo: 32 bytes, what connections are pinned to.

    Raises ValueError if the bytes are no certificate with a key of a kind that coordinators have.
    """
    try:
        return fingerprint(public_of_known_kind(load_der(certificate_der).public_key()))
    except MALFORMED as cause:
        raise ValueError(f"certificate: {cause}") from cause


def _digest_or_none(certificate_der: bytes) -> bytes | None:
    try:
        return key_digest(certificate_der)
    except ValueError:
        return None


def _context(user: UserFiles | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = _HurriedSocket
    if user is not None:
        try:
            context.load_cert_chain(user.certificate, user.key, password=_no_password)
        except OSError as cause:  # ssl.SSLError is one
            reason = cause.strerror if cause.errno and not isinstance(cause, ssl.SSLError) else "no pair in PEM"
            raise UserFilesUnusable("N308", f"{user.certificate}, {user.key}: {reason}") from cause
    return context


def _no_password() -> bytes:
    """An encrypted key is refused; OpenSSL would ask the terminal."""
    return b""


class _HurriedSocket(ssl.SSLSocket):
    """A TLS socket on which all reads and writes together end at one deadline."""

    def limit_to(self, deadline: float, clock: Callable[[], float]) -> None:
        self._deadline, self._clock = deadline, clock

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        self._hurry()
        return super().recv_into(*arguments, **named)

    def send(self, *arguments: Any, **named: Any) -> int:
        self._hurry()
        return super().send(*arguments, **named)

    def _hurry(self) -> None:
        remaining = self._deadline - self._clock()
        if remaining <= 0:
            raise TimeoutError
        self.settimeout(remaining)


_TLS_WORDS: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "a door that demands a certificate, as that for marbles (port 2001) does",
    "WRONG_VERSION_NUMBER": "an answer without TLS",
}
"""What OpenSSL's reasons mean where somebody has typed the wrong port."""
