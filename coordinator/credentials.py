"""What a Coordinator shows of itself: certificates that carry Evidence of its program, and what served before it.

All of it is slow where a device is asked for Evidence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography.x509 import Certificate

from attestation.binding import Bound, of_certificate, of_root_key
from attestation.certificate import evidence_of
from attestation.claims import Claims
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.issue import Issuer
from attestation.verify import Verifier
from coordinator.authority import AuthorityKeys, RootContent, issue_authority
from coordinator.state.model import Authority, Retired, State
from pki.certificates import CertificateFormatError, der, serial_number
from pki.keys import spki_der
from pki.manifest_history import HistoryMark, history_of


@dataclass(frozen=True, slots=True)
class Credentials:
    """names: the Coordinator's DNS names and addresses."""

    issuer: Issuer
    verifier: Verifier
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    names: tuple[str, ...]

    def make_authority(
        self, keys: AuthorityKeys, digest: bytes, history: HistoryMark | None, retired: tuple[Retired, ...] = ()
    ) -> Authority:
        """A hierarchy whose root carries the manifest's digest, its history, and Evidence over key and digest.

        retired: intermediates that stay trusted for a time.
        """
        binding = of_root_key(spki_der(keys.root.public_key()), digest)
        evidence = self.issuer.issue(binding.report_data)
        a, b, c = (serial_number(self.entropy(16)) for _ in range(3))
        content, now = RootContent(digest, evidence, history), self.clock()
        return issue_authority(keys, self.names, content, now=now, serials=(a, b, c), retired=retired)

    def renewed_root(self, state: State) -> Certificate:
        """The same keys, manifest and history, and Evidence of the program and machine that we are now."""
        authority, deployment = state.authority, state.deployed
        keys = AuthorityKeys(authority.root_key, authority.intermediate_key)
        return self.make_authority(keys, deployment.manifest.digest, deployment.history.mark, authority.retired).root

    def evidence_for(self, authority: Authority, nonce: bytes) -> Evidence:
        """Evidence over a root certificate and a nonce (contract 1.7)."""
        return self.issuer.issue(of_certificate(der(authority.root), nonce).report_data)

    def claims_of(self, evidence: Evidence, authority: Authority) -> Claims:
        """What Evidence over a root certificate, without a nonce, says."""
        return self._claims(evidence, of_certificate(der(authority.root), b""))

    def claims_in_root(self, state: State) -> Claims | None:
        """What served until now, as the root certificate says; None where it does not say it of this deployment."""
        root, deployment = state.authority.root, state.deployed
        try:
            evidence, mark = evidence_of(root), history_of(root)
        except (EvidenceFormatError, CertificateFormatError):
            return None
        step = None if mark is None else (mark.entries, mark.link)
        if evidence is None or step != (deployment.history.mark.entries, deployment.history.link):
            return None
        root_key = spki_der(state.authority.root_key.public_key())
        return self._claims(evidence, of_root_key(root_key, deployment.manifest.digest))

    def _claims(self, evidence: Evidence, binding: Bound) -> Claims:
        """What Evidence says, proven or not: the state is open already, and who verifies us judges for himself."""
        return self.verifier.verify(evidence, binding, now=self.clock()).claims
