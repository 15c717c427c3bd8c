"""A coordinator's front door without a coordinator behind it: certificates and evidence as the real one makes them.

Each attribute may be replaced by a lie, one at a time; what is answered is made from them when it is asked for.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from cryptography import x509

from attestation import binding
from attestation.anchors import TrustAnchors
from attestation.certificate import evidence_extension
from attestation.kinds import Kind
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor, new_vendor
from attestation.tdx.claims import TdxReferenceValues
from attestation.verify import Verifier
from coordinator.client.verify import Expectation
from pki.certificates import der, pem
from pki.keys import KeyAlgorithm, PrivateKey, generate, spki_der
from pki.manifest_digest import manifest_digest_extension
from tests.fakes.marble_pki import MarblePki

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MANIFEST = b"Packages:\n  web:\n    TDX:\n      MRTD: aa\nMarbles:\n  web:\n    Package: web\n    MaxActivations: 2\n"
COORDINATOR = TrustDomain(mrtd=bytes([7]) * 48)


@dataclass
class FrontDoor:
    """manifest: None before one is set.  running: what the hardware measures.  phase: contract 1.3."""

    vendor: SimulatedVendor = field(default_factory=lambda: new_vendor(NOON))
    manifest: bytes | None = MANIFEST
    running: TrustDomain = COORDINATOR
    phase: int = 3
    embedded: bool = True
    root_key: PrivateKey = field(default_factory=lambda: generate(KeyAlgorithm.EC_P384))

    def __post_init__(self) -> None:
        self.quoting = QuotingEnclave(self.vendor.machine, Kind.TDX)
        self.pki = self.make_pki(self.manifest)
        self.intermediate = self.pki.intermediate

    def make_pki(self, manifest: bytes | None) -> MarblePki:
        """The hierarchy for a manifest, below the same root key."""
        digest = b"" if manifest is None else hashlib.sha256(manifest).digest()
        extra: list[x509.ExtensionType] = [manifest_digest_extension(digest)] if digest else []
        if self.embedded:
            bound = binding.of_root_key(spki_der(self.root_key.public_key()), digest)
            extra.append(evidence_extension(self.quoting.quote_trust_domain(self.running, bound.report_data)))
        return MarblePki.create(self.root_key, extra)

    def expectation(self) -> Expectation:
        """What a visitor expects who knows this coordinator."""
        anchors = TrustAnchors.genuine().with_simulated(self.vendor.trust_pem)
        return Expectation(Verifier(anchors, self.vendor.endorsements), (TdxReferenceValues(mrtd=COORDINATOR.mrtd),))

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """One request, as `tests.fakes.rest_server` wants it."""
        url = urlsplit(path)
        if (method, url.path) == ("GET", "/api/v2/status"):
            return _success({"code": self.phase, "message": "as a test wants it"})
        if (method, url.path) == ("GET", "/api/v2/quote"):
            nonce = base64.urlsafe_b64decode(parse_qs(url.query).get("nonce", [""])[0])
            return _success(self.quote(nonce))
        if url.path == "/api/v2/manifest":
            return self._manifest(method, body)
        return 405, b'{"status":"error","data":null}\n'

    def quote(self, nonce: bytes) -> dict[str, str]:
        """Fresh evidence over the root certificate and the nonce."""
        bound = binding.of_certificate(der(self.pki.root), nonce)
        evidence = self.quoting.quote_trust_domain(self.running, bound.report_data)
        chain = pem(self.intermediate, self.pki.root).decode()
        return {"cert": chain, "quote": base64.b64encode(evidence.raw).decode()}

    def _manifest(self, method: str, body: bytes) -> tuple[int, bytes]:
        if method == "POST":
            if self.manifest is not None:
                return _error("A210 server is not in expected state: manifest set is refused in state 3")
            raw = base64.b64decode(json.loads(body)["manifest"])
            if raw == b"bad":
                return _error("E000 invalid manifest: 1 error(s)\n  manifest:1:1: E001 no")
            self.manifest = raw
            return _success({"RecoverySecrets": {}})
        if self.manifest is None:
            return _error("A210 server is not in expected state: manifest get is refused in state 2")
        return _success(
            {
                "manifestSignatureRootECDSA": base64.b64encode(b"signature").decode(),
                "manifestFingerprint": hashlib.sha256(self.manifest).hexdigest(),
                "manifest": base64.b64encode(self.manifest).decode(),
            }
        )


def _success(data: object) -> tuple[int, bytes]:
    return 200, json.dumps({"status": "success", "data": data}).encode() + b"\n"


def _error(message: str) -> tuple[int, bytes]:
    return 500, json.dumps({"status": "error", "data": None, "message": message}).encode() + b"\n"
