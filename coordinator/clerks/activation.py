"""A marble asks to join: without a nonce, as MarbleRun's do, or with one."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from attestation.appraisal import wanted_kind
from attestation.binding import Bound, of_certificate
from attestation.checks import failed
from attestation.errors import EvidenceFormatError
from attestation.evidence import recognise
from coordinator.decisions import activate_marble as joins
from coordinator.decisions.challenge import KEY_BYTES, check_nonce, make_nonce
from coordinator.decisions.decision import admit
from coordinator.decisions.errors import EvidenceReused, NoCertificate, NotAttested, RequestInvalid
from coordinator.decisions.vendors import check_vendor_limit, vendor_of
from coordinator.desk import Desk
from coordinator.state.phase import Ask
from marble.join_protocol import Challenge, JoinRequest
from marble.protocol import ActivationRequest, Parameters, encode_response
from marble.sealing import Recipient, SealingFailed
from pki.certificates import der
from pki.keys import generate_p384, spki_der


class Activation:
    """Requests of marbles."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._nonce_key = desk.env.entropy(KEY_BYTES)

    async def activate(self, request: ActivationRequest, leaf: bytes | None) -> Parameters:
        """Admit one marble.  leaf: the certificate that its TLS connection proved, DER.

        Raises Refused (every kind of it), NotServing.
        """
        certificate, now = self._begin(leaf)
        bound = of_certificate(certificate)
        shown = _Shown(request.marble_type, request.uuid, request.csr, request.quote, certificate, bound)
        return await self._join(shown, joins.COMPATIBLE, now)

    def challenge(self, leaf: bytes | None) -> Challenge:
        """A nonce for a join, and the root certificate.  leaf: as for `activate`.  Raises Refused, NotServing."""
        certificate, now = self._begin(leaf)
        nonce = make_nonce(self._nonce_key, certificate, now)
        return Challenge(nonce, der(self._desk.state.authority.root))

    async def join(self, request: JoinRequest, leaf: bytes | None) -> bytes:
        """Admit one marble whose Evidence binds a nonce; the answer is sealed for the key that it binds too.

        leaf: as for `activate`.  Raises Refused (every kind of it), NotServing, ProtocolFormatError.
        """
        certificate, now = self._begin(leaf)
        check_nonce(self._nonce_key, certificate, request.nonce, now)
        bound = request.bound(certificate, spki_der(self._desk.state.authority.root_key.public_key()))
        shown = _Shown(request.marble_type, request.uuid, request.csr, request.evidence, certificate, bound)
        try:
            recipient = Recipient(request.sealing_key)
            return recipient.seal(encode_response(await self._join(shown, joins.NATIVE, now)), bound)
        except SealingFailed as cause:
            raise RequestInvalid(f"join: {cause}") from cause

    def _begin(self, leaf: bytes | None) -> tuple[bytes, datetime]:
        self._desk.check_serving()
        admit(self._desk.state, Ask.ACTIVATE)
        if leaf is None:
            raise NoCertificate("activation: no client certificate was shown")
        return leaf, self._desk.env.clock()

    async def _join(self, shown: "_Shown", join: str, now: datetime) -> Parameters:
        desk = self._desk
        admission = self._admit(shown, join, now)
        deployment, marble = joins.find_marble(desk.state, shown.marble_type)
        wanted = joins.certificate_secrets(deployment.manifest, marble)
        keys = joins.Keys(generate_p384(), {secret.name: await desk.key_for(secret) for secret in wanted})
        if admission.bound_digest in desk.used:
            raise EvidenceReused(f"marble '{marble.type}': evidence for this certificate was admitted before")
        decision = joins.activate_marble(desk.state, admission, keys, desk.texts, now=now, entropy=desk.env.entropy)
        written = desk.enact(decision.events, (admission.kept(now),))
        desk.used.add(admission.bound_digest)
        desk.say_when(
            written,
            lambda: desk.env.observer.activated(
                marble.type,
                admission.uuid,
                simulated=admission.attested.simulated,
                join=join,
                evidence=admission.evidence_digest.hex(),
                waived=admission.waived,
            ),
        )
        await desk.durable(written)
        return decision.reply

    def _admit(self, shown: "_Shown", join: str, now: datetime) -> joins.Admission:
        deployment, marble = joins.find_marble(self._desk.state, shown.marble_type)
        joins.check_fresh(marble, join)
        try:
            evidence = recognise(shown.evidence)
        except EvidenceFormatError as cause:
            check = failed("evidence.format", "an SGX or TDX quote", str(cause), "contract 2.3", code="V101")
            raise NotAttested(marble.type, (check,), genuine=False) from cause
        if (unwanted := wanted_kind(evidence, deployment.packages[marble.package].alternatives)) is not None:
            raise NotAttested(marble.type, (unwanted,), genuine=True)
        verification = self._desk.env.verifier.verify(evidence, shown.bound, now=now)
        attested, waived = joins.check_evidence(deployment.packages, marble, verification)
        joins.check_limit(deployment, marble)
        check_vendor_limit(deployment, marble, vendor_of(attested.claims))
        return joins.Admission(
            marble=marble,
            package=deployment.packages[marble.package],
            attested=attested,
            certificate=shown.certificate,
            evidence=shown.evidence,
            evidence_digest=hashlib.sha256(evidence.raw).digest(),
            uuid=joins.canonical_uuid(shown.uuid),
            csr=joins.read_csr(shown.csr),
            waived=waived,
            bound=shown.bound,
            join=join,
        )


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a marble shows, by whichever protocol.  certificate: of its connection.  bound: what evidence must bind."""

    marble_type: str
    uuid: str
    csr: bytes
    evidence: bytes
    certificate: bytes
    bound: Bound
