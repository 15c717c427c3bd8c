"""A marble asks to join."""

import hashlib
from datetime import datetime

from attestation.binding import of_certificate
from attestation.checks import failed
from attestation.errors import EvidenceFormatError
from attestation.evidence import recognise
from coordinator.decisions import activate_marble as joins
from coordinator.decisions.decision import admit
from coordinator.decisions.errors import EvidenceReused, NoCertificate, NotAttested
from coordinator.decisions.vendors import check_vendor_limit, vendor_of
from coordinator.desk import Desk
from coordinator.state.phase import Ask
from marble.protocol import ActivationRequest, Parameters
from pki.keys import generate_p384


class Activation:
    """Requests of marbles."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def activate(self, request: ActivationRequest, leaf: bytes | None) -> Parameters:
        """Admit one marble.  leaf: the certificate that its TLS connection proved, DER.

        Raises Refused (every kind of it), NotServing.
        """
        desk = self._desk
        desk.check_serving()
        now = desk.env.clock()
        admission = self._admit(request, leaf, now)
        deployment, marble = joins.find_marble(desk.state, request.marble_type)
        wanted = joins.certificate_secrets(deployment.manifest, marble)
        keys = joins.Keys(generate_p384(), {secret.name: await desk.key_for(secret) for secret in wanted})
        if admission.evidence_digest in desk.used:
            raise EvidenceReused(f"marble '{marble.type}': this evidence was admitted before")
        decision = joins.activate_marble(desk.state, admission, keys, desk.texts, now=now, entropy=desk.env.entropy)
        written = desk.enact(decision.events, (admission.kept(now),))
        desk.used.add(admission.evidence_digest)
        desk.say_when(
            written,
            lambda: desk.env.observer.activated(
                marble.type,
                admission.uuid,
                simulated=admission.attested.simulated,
                evidence=admission.evidence_digest.hex(),
                waived=admission.waived,
            ),
        )
        await desk.durable(written)
        return decision.reply

    def _admit(self, request: ActivationRequest, leaf: bytes | None, now: datetime) -> joins.Admission:
        admit(self._desk.state, Ask.ACTIVATE)
        if leaf is None:
            raise NoCertificate("activation: no client certificate was shown")
        deployment, marble = joins.find_marble(self._desk.state, request.marble_type)
        try:
            evidence = recognise(request.quote)
        except EvidenceFormatError as cause:
            check = failed("evidence.format", "an SGX or TDX quote", str(cause), "contract 2.3", code="V101")
            raise NotAttested(marble.type, (check,), genuine=False) from cause
        verification = self._desk.env.verifier.verify(evidence, of_certificate(leaf), now=now)
        attested, waived = joins.check_evidence(deployment.packages, marble, verification)
        joins.check_limit(deployment, marble)
        check_vendor_limit(deployment, marble, vendor_of(attested.claims))
        return joins.Admission(
            marble=marble,
            package=deployment.packages[marble.package],
            attested=attested,
            certificate=leaf,
            evidence=request.quote,
            evidence_digest=hashlib.sha256(evidence.raw).digest(),
            uuid=joins.canonical_uuid(request.uuid),
            csr=joins.read_csr(request.csr),
            waived=waived,
        )
