"""What all exchanges with a coordinator have in common: challenge, evidence, and the verdict on its answer."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509

from attestation.binding import Bound
from attestation.errors import AttestationError
from attestation.evidence import with_open_enclave_header
from attestation.issue import Issuer
from attestation.kinds import Kind
from marble import rpc
from marble.errors import CoordinatorNotTrusted
from marble.join_protocol import CHALLENGE, Challenge, Renewable, decode_challenge, decode_sealed
from marble.protocol import Parameters, ProtocolFormatError, decode_response
from marble.sealing import SealingFailed, SealingKey
from marble.trust import (
    Expectation,
    GivenIdentity,
    check_connection,
    check_pinned,
    check_same_root,
    read_identity,
    read_root,
    verify_root,
)

T = TypeVar("T")
_log = logging.getLogger("marble")


class NoEvidence(Exception):
    """The device could not make Evidence now; it may later (a quoting service that starts, say)."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a coordinator gave.  identity: as it stands in the parameters' variables, judged.

    renewable: what of it is given anew while the marble runs; None for nothing.
    """

    parameters: Parameters
    identity: GivenIdentity
    renewable: Renewable | None

    @property
    def until(self) -> datetime:
        """The end of the marble's own certificate."""
        return self.identity.leaf.not_valid_after_utc


@dataclass(frozen=True, slots=True)
class Exchange:
    """Over one connection.  issuer: None sends no Evidence.  expected: None takes any coordinator.

    pinned: the only root key (SubjectPublicKeyInfo, DER) that may answer; None before there was a first answer.
    """

    channel: rpc.Channel
    marble_type: str
    uuid: str
    issuer: Issuer | None
    expected: Expectation | None
    pinned: bytes | None
    now: Callable[[], datetime]

    async def challenge(self) -> tuple[Challenge, x509.Certificate]:
        """A nonce, and the root certificate of who gives it, judged.  Raises RpcFailed, CoordinatorNotTrusted."""
        challenge = read(decode_challenge, await self.channel.call(CHALLENGE, b""))
        root = read_root(challenge.root)
        self._verify(root)
        return challenge, root

    def evidence(self, bound: Bound) -> bytes:
        """Empty without a device.  Raises NoEvidence."""
        if self.issuer is None:
            return b""
        try:
            evidence = self.issuer.issue(bound.report_data)
        except (AttestationError, OSError) as cause:
            raise NoEvidence(f"no evidence can be made: {cause}") from cause
        return with_open_enclave_header(evidence.raw) if evidence.kind is Kind.SGX else evidence.raw

    def _verify(self, root: x509.Certificate) -> None:
        """Judge who asks, before anything is shown to it.  Raises CoordinatorNotTrusted."""
        if self.pinned is not None:
            check_pinned(root, self.pinned)
        if self.expected is not None:
            attested = verify_root(root, self.expected, now=self.now())
            simulated = "SIMULATED " if attested.simulated else ""
            _log.info("the coordinator is verified: %s%s", simulated, attested.evidence.kind)

    def judge(self, parameters: Parameters, root: x509.Certificate | None) -> GivenIdentity:
        """The identity in an answer, if that is of the coordinator that was verified.

        root: of the challenge; None without one, where the answer's own is verified.  Raises CoordinatorNotTrusted.
        """
        given = read_identity(parameters.env, self.marble_type, self.uuid, now=self.now())
        if root is None:
            self._verify(given.coordinator_root)
        else:
            check_same_root(given, root)
        if self.expected is not None:
            check_connection(given, self.channel.server_der)
        return given

    def open(self, answer: bytes, key: SealingKey, bound: Bound, root: x509.Certificate) -> Granted:
        """The sealed answer to Evidence that bound `bound`, judged.  Raises CoordinatorNotTrusted."""
        sealed = read(decode_sealed, answer)
        parameters = read(lambda raw: decode_response(key.open(raw, bound)), sealed.content)
        return Granted(parameters, self.judge(parameters, root), sealed.renewable)


def read(decode: Callable[[bytes], T], answer: bytes) -> T:
    """Decode an answer.  Raises CoordinatorNotTrusted."""
    try:
        return decode(answer)
    except (ProtocolFormatError, SealingFailed) as cause:
        raise CoordinatorNotTrusted("A261", "its answer cannot be read", [str(cause)]) from cause
