"""One try to join over one connection: with a nonce where the coordinator gives one, else as MarbleRun's marbles do.

With a nonce, the coordinator is verified before anything is shown to it, and its answer can be read only with a key
that the Evidence binds.  A marble that expects a certain coordinator joins in no other way.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from cryptography import x509

from attestation.binding import Bound, of_certificate
from attestation.errors import AttestationError
from attestation.evidence import with_open_enclave_header
from attestation.issue import Issuer
from attestation.kinds import Kind
from marble import rpc
from marble.errors import CoordinatorNotTrusted
from marble.identity import Identity
from marble.join_protocol import (
    CHALLENGE,
    JOIN,
    Challenge,
    JoinRequest,
    decode_challenge,
    decode_sealed,
    encode_join,
)
from marble.protocol import (
    METHOD,
    ActivationRequest,
    Parameters,
    ProtocolFormatError,
    decode_response,
    encode_request,
)
from marble.sealing import SealingFailed, SealingKey
from marble.trust import (
    Expectation,
    GivenIdentity,
    check_connection,
    check_same_root,
    read_identity,
    read_root,
    root_spki,
    verify_root,
)

T = TypeVar("T")
_log = logging.getLogger("marble")


class NoEvidence(Exception):
    """The device could not make Evidence now; it may later (a quoting service that starts, say)."""


@dataclass(frozen=True, slots=True)
class Join:
    """identity: that the connection showed.  issuer: None sends no Evidence.  expected: None joins any coordinator."""

    channel: rpc.Channel
    identity: Identity
    marble_type: str
    uuid: str
    issuer: Issuer | None
    expected: Expectation | None
    now: Callable[[], datetime]

    async def run(self) -> Parameters:
        """What the coordinator gave.  Raises RpcFailed, NoEvidence, CoordinatorNotTrusted."""
        challenge = await self._challenge()
        if challenge is None:
            self._check_may_show()
            parameters = await self._compatible()
            given = self._identity_in(parameters)
        else:
            root = read_root(challenge.root)
            self._verify(root)
            parameters = await self._native(challenge, root)
            given = self._identity_in(parameters)
            check_same_root(given, root)
        if self.expected is not None:
            check_connection(given, self.channel.server_der)
        return parameters

    async def _challenge(self) -> Challenge | None:
        """None where the coordinator knows no join with a nonce, as MarbleRun's."""
        try:
            answer = await self.channel.call(CHALLENGE, b"")
        except rpc.RpcFailed as failure:
            if failure.status is rpc.Status.UNIMPLEMENTED:
                return None
            raise
        return _read(decode_challenge, answer)

    def _check_may_show(self) -> None:
        """Whoever stands between may deny that there are challenges, to have Evidence and answer in MarbleRun's way.

        Raises CoordinatorNotTrusted where a certain coordinator is expected.
        """
        if self.expected is not None:
            raise CoordinatorNotTrusted(
                "A262",
                "it gives no challenge, so nothing is shown to it",
                [f"expected the call {CHALLENGE}, which every coordinator knows that has evidence, got UNIMPLEMENTED"],
                "a coordinator of MarbleRun has none: unset the reference values to join it unverified",
            )

    async def _compatible(self) -> Parameters:
        quote = self._evidence(of_certificate(self.identity.certificate_der))
        request = ActivationRequest(quote, self.identity.csr_der, self.marble_type, self.uuid)
        return _read(decode_response, await self.channel.call(METHOD, encode_request(request)))

    async def _native(self, challenge: Challenge, root: x509.Certificate) -> Parameters:
        key = SealingKey.generate()
        request = JoinRequest(challenge.nonce, b"", self.identity.csr_der, key.public, self.marble_type, self.uuid)
        bound = request.bound(self.identity.certificate_der, root_spki(root))
        answer = await self.channel.call(JOIN, encode_join(replace(request, evidence=self._evidence(bound))))
        return _read(lambda raw: decode_response(key.open(decode_sealed(raw), bound)), answer)

    def _evidence(self, bound: Bound) -> bytes:
        if self.issuer is None:
            return b""
        try:
            evidence = self.issuer.issue(bound.report_data)
        except (AttestationError, OSError) as cause:
            raise NoEvidence(f"no evidence can be made: {cause}") from cause
        return with_open_enclave_header(evidence.raw) if evidence.kind is Kind.SGX else evidence.raw

    def _identity_in(self, parameters: Parameters) -> GivenIdentity:
        return read_identity(parameters.env, self.marble_type, self.uuid, now=self.now())

    def _verify(self, root: x509.Certificate) -> None:
        if self.expected is not None:
            attested = verify_root(root, self.expected, now=self.now())
            simulated = "SIMULATED " if attested.simulated else ""
            _log.info("the coordinator is verified: %s%s", simulated, attested.evidence.kind)


def _read(decode: Callable[[bytes], T], answer: bytes) -> T:
    try:
        return decode(answer)
    except (ProtocolFormatError, SealingFailed) as cause:
        raise CoordinatorNotTrusted("A261", "its answer cannot be read", [str(cause)]) from cause
