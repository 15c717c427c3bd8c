"""What the tests of SEV-SNP share: a simulated AMD, and real reports with what is known of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from attestation.anchors import Anchor, TrustAnchors
from attestation.binding import Binding, Unbound
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.roots import GENUINE_ROOTS
from attestation.sev_snp.tcb import Product
from attestation.sev_snp.verify import SevSnpVerifier
from attestation.simulation.amd import SimulatedAmd, new_amd
from attestation.verification import Verification

GENUINE = tuple(Anchor(x509.load_pem_x509_certificate(pem), simulated=False) for pem in GENUINE_ROOTS)
VECTORS = Path(__file__).parents[2] / "vectors" / "sev_snp"


@dataclass(frozen=True)
class Case:
    """A real report; `facts` is its case.json, `files` are its endorsements by name."""

    facts: dict[str, Any]
    report: bytes
    files: Mapping[str, bytes]

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.facts["verify_at"])

    @cached_property
    def verifier(self) -> SevSnpVerifier:
        return SevSnpVerifier(GENUINE, SevSnpEndorsements.from_files(self.files))

    def verify(self, report: bytes | None = None, at: datetime | None = None) -> Verification:
        evidence = Evidence(Kind.SEV_SNP, self.report if report is None else report)
        return self.verifier.verify(evidence, Unbound(), now=at or self.at)


def read_case(folder: Path) -> Case:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return Case(json.loads(files["case.json"]), files["report.bin"], files)


@pytest.fixture(scope="session")
def genuine() -> tuple[Anchor, ...]:
    """AMD's own roots."""
    return GENUINE


@pytest.fixture(scope="session")
def snp_case() -> Callable[[str | Path], Case]:
    """A case of tests/vectors/sev_snp by the start of its name, or of any folder."""

    def find(name: str | Path) -> Case:
        return read_case(name if isinstance(name, Path) else next(VECTORS.glob(f"{name}*")))

    return find


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def amds(now: datetime) -> Mapping[Product, SimulatedAmd]:
    return {product: new_amd(now, product) for product in Product}


@pytest.fixture(scope="session")
def amd(amds: Mapping[Product, SimulatedAmd]) -> SimulatedAmd:
    return amds[Product.MILAN]


@pytest.fixture(scope="session")
def simulated(amds: Mapping[Product, SimulatedAmd]) -> tuple[Anchor, ...]:
    """The roots of the simulated AMDs."""
    anchors = TrustAnchors(())
    for vendor in amds.values():
        anchors = anchors.with_simulated(vendor.trust_pem)
    return anchors.anchors


@pytest.fixture(scope="session")
def check_simulated(simulated: tuple[Anchor, ...], amd: SimulatedAmd, now: datetime) -> Callable[..., Verification]:
    """Verify evidence of the simulated AMD, with its endorsements where no others are given."""

    def verify(
        evidence: Evidence,
        endorsements: SevSnpEndorsements | None = None,
        binding: Binding | None = None,
        at: datetime | None = None,
    ) -> Verification:
        verifier = SevSnpVerifier(simulated, amd.endorsements() if endorsements is None else endorsements)
        return verifier.verify(evidence, binding or Unbound(), now=at or now)

    return verify
