"""What every request of a marble is judged by: the certificate of its connection, a nonce, and its evidence."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from attestation.appraisal import wanted_kind
from attestation.binding import Bound
from attestation.checks import Check, failed
from attestation.errors import EvidenceFormatError
from attestation.evidence import recognise
from attestation.verification import Attested
from coordinator.decisions.activate_marble import check_evidence
from coordinator.decisions.challenge import KEY_BYTES, check_nonce, make_nonce
from coordinator.decisions.decision import admit
from coordinator.decisions.errors import NoCertificate, NotAttested
from coordinator.desk import Desk
from coordinator.manifest.model import Marble
from coordinator.state.model import Deployment
from coordinator.state.phase import Ask
from marble.join_protocol import Challenge
from pki.certificates import der
from pki.keys import spki_der


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that is genuine, and what the manifest wants.  waived: a check for each waiver that it needed.

    digest: SHA-256 of it.
    """

    attested: Attested
    waived: tuple[Check, ...]
    digest: bytes


class Proofs:
    """Nonces that this process gives, and the verdict on what comes back."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._nonce_key = desk.env.entropy(KEY_BYTES)

    @property
    def root_spki(self) -> bytes:
        """The key of our root, as Evidence binds it."""
        return spki_der(self._desk.state.authority.root_key.public_key())

    def begin(self, leaf: bytes | None) -> tuple[bytes, datetime]:
        """The certificate that a connection proved, and the time of its request.  Raises Refused, NotServing."""
        self._desk.check_serving()
        admit(self._desk.state, Ask.ACTIVATE)
        if leaf is None:
            raise NoCertificate("activation: no client certificate was shown")
        return leaf, self._desk.env.clock()

    def challenge(self, leaf: bytes | None) -> Challenge:
        """A nonce for whoever has this certificate, and the root certificate.  Raises Refused, NotServing."""
        certificate, now = self.begin(leaf)
        nonce = make_nonce(self._nonce_key, certificate, now)
        return Challenge(nonce, der(self._desk.state.authority.root))

    def check_nonce(self, certificate: bytes, nonce: bytes, now: datetime) -> None:
        """Raises NotFresh."""
        check_nonce(self._nonce_key, certificate, nonce, now)

    def verify(self, deployment: Deployment, marble: Marble, raw: bytes, bound: Bound, now: datetime) -> Proof:
        """Raises NotAttested."""
        try:
            evidence = recognise(raw)
        except EvidenceFormatError as cause:
            check = failed("evidence.format", "an SGX or TDX quote", str(cause), "contract 2.3", code="V101")
            raise NotAttested(marble.type, (check,), genuine=False) from cause
        if (unwanted := wanted_kind(evidence, deployment.packages[marble.package].alternatives)) is not None:
            raise NotAttested(marble.type, (unwanted,), genuine=True)
        verification = self._desk.env.verifier.verify(evidence, bound, now=now)
        attested, waived = check_evidence(deployment.packages, marble, verification)
        return Proof(attested, waived, hashlib.sha256(evidence.raw).digest())
