"""What do a marble and a coordinator say to each other in a join with a nonce?  The messages, as frozen values.

Challenge: the coordinator gives a nonce and its root certificate.  Join: the marble's Evidence binds that nonce, that
root's key, its client certificate, type, UUID and a sealing key, for which the answer is encrypted.  Renew: the same of
a marble that runs; its client certificate is the one that it was given, which says type and UUID.
Source: design.md, 5; docs/decisions/0021; the layout is in join.proto.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from attestation.binding import Bound, of_join, of_renewal
from marble import join_pb2 as wire
from marble.protocol import MAX_MESSAGE_BYTES, ProtocolFormatError
from marble.sealing import SEALING_KEY_BYTES

M = TypeVar("M", bound=Message)

CHALLENGE: Final = "/enclasp.Marble/Challenge"
JOIN: Final = "/enclasp.Marble/Join"
RENEW: Final = "/enclasp.Marble/Renew"
SIGNALS: Final = ("SIGHUP", "SIGUSR1", "SIGUSR2")
"""What a program may be sent when its certificates have changed."""
_MOST_NONCE_BYTES: Final = 64
_MOST_ROOT_BYTES: Final = 1024 * 1024
_MOST_INTERMEDIATE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Challenge:
    """nonce: of the coordinator, for the client certificate of the connection.  root: its root certificate, DER."""

    nonce: bytes
    root: bytes


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What a marble asks with.  Nothing in it is trusted yet.

    evidence: as the platform has it.  csr: PKCS#10 DER.  sealing_key: see `sealing`.  uuid: as the marble sent it.
    """

    nonce: bytes
    evidence: bytes
    csr: bytes
    sealing_key: bytes
    marble_type: str
    uuid: str

    def bound(self, certificate: bytes, root_spki: bytes) -> Bound:
        """What the Evidence has to bind.  certificate: the client's, DER; root_spki: the coordinator's root key."""
        return of_join(
            nonce=self.nonce,
            certificate_der=certificate,
            sealing_key=self.sealing_key,
            marble_type=self.marble_type,
            uuid=self.uuid,
            root_spki_der=root_spki,
        )


@dataclass(frozen=True, slots=True)
class RenewalRequest:
    """What a marble asks with that was given a certificate before.  Nothing in it is trusted yet.

    nonce, evidence, sealing_key: as in JoinRequest.  intermediate: which signed its certificate, DER.
    """

    nonce: bytes
    evidence: bytes
    sealing_key: bytes
    intermediate: bytes

    def bound(self, certificate: bytes, root_spki: bytes) -> Bound:
        """What the Evidence has to bind.  certificate: the marble's, DER; root_spki: the coordinator's root key."""
        return of_renewal(
            nonce=self.nonce, certificate_der=certificate, sealing_key=self.sealing_key, root_spki_der=root_spki
        )


@dataclass(frozen=True, slots=True)
class Renewable:
    """What of a marble's parameters a renewal gives anew.  files: their paths.  signal: of SIGNALS, or empty."""

    files: tuple[str, ...]
    signal: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """An answer, still encrypted.  renewable: None where nothing of it can be renewed."""

    content: bytes
    renewable: Renewable | None


def encode_challenge(challenge: Challenge) -> bytes:
    """The answer to a call of Challenge, whose own message is empty."""
    return wire.ChallengeResp(Nonce=challenge.nonce, Root=challenge.root).SerializeToString(deterministic=True)


def decode_challenge(raw: bytes) -> Challenge:
    """Read the answer.  Raises ProtocolFormatError for what is none, or too long."""
    message = _parsed(wire.ChallengeResp, raw, "challenge")
    _at_most("challenge: nonce", message.Nonce, _MOST_NONCE_BYTES)
    _at_most("challenge: root certificate", message.Root, _MOST_ROOT_BYTES)
    return Challenge(message.Nonce, message.Root)


def encode_join(request: JoinRequest) -> bytes:
    """The request as a protobuf message.  Raises ProtocolFormatError for text that is not Unicode."""
    try:
        message = wire.JoinReq(
            Nonce=request.nonce,
            Evidence=request.evidence,
            CSR=request.csr,
            SealingKey=request.sealing_key,
            MarbleType=request.marble_type,
            UUID=request.uuid,
        )
    except UnicodeEncodeError as cause:
        raise ProtocolFormatError("join request: expected Unicode text as marble type and UUID") from cause
    return _sized(message.SerializeToString(deterministic=True), "join request")


def decode_join(raw: bytes) -> JoinRequest:
    """Read a request.  Raises ProtocolFormatError for what is none, or has a field of another length than it may."""
    message = _parsed(wire.JoinReq, raw, "join request")
    _at_most("join request: nonce", message.Nonce, _MOST_NONCE_BYTES)
    _check_sealing_key("join request", message.SealingKey)
    return JoinRequest(
        message.Nonce, message.Evidence, message.CSR, message.SealingKey, message.MarbleType, message.UUID
    )


def encode_renewal(request: RenewalRequest) -> bytes:
    """The request as a protobuf message.  Raises ProtocolFormatError over 4 MiB."""
    message = wire.RenewReq(
        Nonce=request.nonce,
        Evidence=request.evidence,
        SealingKey=request.sealing_key,
        Intermediate=request.intermediate,
    )
    return _sized(message.SerializeToString(deterministic=True), "renewal request")


def decode_renewal(raw: bytes) -> RenewalRequest:
    """Read a request.  Raises ProtocolFormatError for what is none, or has a field of another length than it may."""
    message = _parsed(wire.RenewReq, raw, "renewal request")
    _at_most("renewal request: nonce", message.Nonce, _MOST_NONCE_BYTES)
    _at_most("renewal request: intermediate certificate", message.Intermediate, _MOST_INTERMEDIATE_BYTES)
    _check_sealing_key("renewal request", message.SealingKey)
    return RenewalRequest(message.Nonce, message.Evidence, message.SealingKey, message.Intermediate)


def encode_sealed(sealed: Sealed) -> bytes:
    """The answer to a call of Join or Renew.  Raises ProtocolFormatError over 4 MiB."""
    again = sealed.renewable
    renewable = None if again is None else wire.Renewable(Files=again.files, Signal=again.signal)
    message = wire.JoinResp(Sealed=sealed.content, Renewable=renewable)
    return _sized(message.SerializeToString(deterministic=True), "join response")


def decode_sealed(raw: bytes) -> Sealed:
    """Read the answer.  Raises ProtocolFormatError, also for a signal that is not of SIGNALS."""
    message = _parsed(wire.JoinResp, raw, "join response")
    if not message.HasField("Renewable"):
        return Sealed(message.Sealed, None)
    again = message.Renewable
    if again.Signal and again.Signal not in SIGNALS:
        raise ProtocolFormatError(f"join response: signal: expected one of {', '.join(SIGNALS)}, got {again.Signal!a}")
    return Sealed(message.Sealed, Renewable(tuple(again.Files), again.Signal))


def _parsed(kind: type[M], raw: bytes, what: str) -> M:
    try:
        return kind.FromString(_sized(raw, what))
    except DecodeError as cause:
        raise ProtocolFormatError(f"{what}: expected a protobuf message, got {len(raw)} bytes") from cause


def _check_sealing_key(what: str, key: bytes) -> None:
    if len(key) != SEALING_KEY_BYTES:
        raise ProtocolFormatError(f"{what}: sealing key: expected {SEALING_KEY_BYTES} bytes, got {len(key)}")


def _sized(message: bytes, what: str) -> bytes:
    _at_most(what, message, MAX_MESSAGE_BYTES)
    return message


def _at_most(what: str, value: bytes, most: int) -> None:
    if len(value) > most:
        raise ProtocolFormatError(f"{what}: expected at most {most} bytes, got {len(value)}")
