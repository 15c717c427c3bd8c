"""A marble asks to join: without a nonce, as MarbleRun's do, or with one."""

from dataclasses import dataclass
from datetime import datetime

from attestation.binding import Bound, of_certificate
from coordinator.clerks.proofs import Proofs
from coordinator.decisions import activate_marble as joins
from coordinator.decisions.errors import EvidenceReused, RequestInvalid
from coordinator.decisions.grant import Keys, certificate_secrets
from coordinator.decisions.renew_marble import renewable
from coordinator.decisions.vendors import check_vendor_limit, vendor_of
from coordinator.desk import Desk
from coordinator.manifest.model import Marble
from marble.join_protocol import JoinRequest, Sealed
from marble.protocol import ActivationRequest, Parameters, encode_response
from marble.sealing import Recipient, SealingFailed
from pki.keys import generate_p384


class Activation:
    """Requests of marbles that start."""

    def __init__(self, desk: Desk, proofs: Proofs) -> None:
        self._desk = desk
        self._proofs = proofs

    async def activate(self, request: ActivationRequest, leaf: bytes | None) -> Parameters:
        """Admit one marble.  leaf: the certificate that its TLS connection proved, DER.

        Raises Refused (every kind of it), NotServing.
        """
        certificate, now = self._proofs.begin(leaf)
        bound = of_certificate(certificate)
        shown = _Shown(request.marble_type, request.uuid, request.csr, request.quote, certificate, bound)
        return (await self._join(shown, joins.COMPATIBLE, now))[1]

    async def join(self, request: JoinRequest, leaf: bytes | None) -> Sealed:
        """Admit one marble whose Evidence binds a nonce; the answer is sealed for the key that it binds too.

        leaf: as for `activate`.  Raises Refused (every kind of it), NotServing, ProtocolFormatError.
        """
        certificate, now = self._proofs.begin(leaf)
        self._proofs.check_nonce(certificate, request.nonce, now)
        bound = request.bound(certificate, self._proofs.root_spki)
        shown = _Shown(request.marble_type, request.uuid, request.csr, request.evidence, certificate, bound)
        try:
            recipient = Recipient(request.sealing_key)
            marble, parameters = await self._join(shown, joins.NATIVE, now)
            return Sealed(recipient.seal(encode_response(parameters), bound), renewable(marble))
        except SealingFailed as cause:
            raise RequestInvalid(f"join: {cause}") from cause

    async def _join(self, shown: "_Shown", join: str, now: datetime) -> tuple[Marble, Parameters]:
        desk = self._desk
        admission = self._admit(shown, join, now)
        deployment, marble = joins.find_marble(desk.state, shown.marble_type)
        wanted = certificate_secrets(deployment.manifest, marble)
        keys = Keys(generate_p384(), {secret.name: await desk.key_for(secret) for secret in wanted})
        if admission.bound.digest in desk.used:
            raise EvidenceReused(f"marble '{marble.type}': evidence for this certificate was admitted before")
        decision = joins.activate_marble(desk.state, admission, keys, desk.texts, now=now, entropy=desk.env.entropy)
        written = desk.enact(decision.events, (admission.kept(now),))
        desk.used.add(admission.bound.digest)
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
        return marble, decision.reply

    def _admit(self, shown: "_Shown", join: str, now: datetime) -> joins.Admission:
        deployment, marble = joins.find_marble(self._desk.state, shown.marble_type)
        joins.check_fresh(marble, join)
        proof = self._proofs.verify(deployment, marble, shown.evidence, shown.bound, now)
        joins.check_limit(deployment, marble)
        check_vendor_limit(deployment, marble, vendor_of(proof.attested.claims))
        return joins.Admission(
            marble=marble,
            package=deployment.packages[marble.package],
            attested=proof.attested,
            certificate=shown.certificate,
            evidence=shown.evidence,
            evidence_digest=proof.digest,
            uuid=joins.canonical_uuid(shown.uuid),
            csr=joins.read_csr(shown.csr),
            waived=proof.waived,
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
