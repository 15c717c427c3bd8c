"""What the tests of evidence share: a simulated vendor, real quotes with what is known of them, and one clock."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from attestation.anchors import TrustAnchors
from attestation.binding import Unbound
from attestation.endorsements import Endorsements, parse_bundle
from attestation.evidence import recognise
from attestation.simulation.vendor import SimulatedVendor, new_vendor
from attestation.verification import Verification
from attestation.verify import Verifier
from tests.support.every_platform import Vendors, new_vendors

VECTORS = Path(__file__).parents[1] / "vectors" / "dcap"


@dataclass(frozen=True)
class Case:
    """A real quote; `facts` is its case.json."""

    facts: dict[str, Any]
    quote: bytes
    collateral: bytes | None

    @property
    def endorsements(self) -> Endorsements:
        return parse_bundle(self.collateral) if self.collateral else Endorsements.none()

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.facts["verify_at"] or "2025-01-01T00:00:00+00:00")

    def verify(self, quote: bytes | None = None, at: datetime | None = None) -> Verification:
        verifier = Verifier(TrustAnchors.genuine(), self.endorsements)
        evidence = recognise(self.quote if quote is None else quote)
        return verifier.verify(evidence, Unbound(), now=at or self.at)


def read_case(folder: Path) -> Case:
    collateral = folder / "collateral.json"
    return Case(
        json.loads((folder / "case.json").read_text()),
        (folder / "quote.bin").read_bytes(),
        collateral.read_bytes() if collateral.exists() else None,
    )


@pytest.fixture(scope="session")
def case() -> Callable[[str], Case]:
    """A case of tests/vectors/dcap by the start of its name, or of any folder."""

    def find(name: str | Path) -> Case:
        return read_case(name if isinstance(name, Path) else next(VECTORS.glob(f"{name}*")))

    return find


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def vendor(now: datetime) -> SimulatedVendor:
    return new_vendor(now)


@pytest.fixture(scope="session")
def vendors(now: datetime) -> Vendors:
    return new_vendors(now)


@pytest.fixture(scope="session")
def anchors(vendor: SimulatedVendor) -> TrustAnchors:
    return TrustAnchors.genuine().with_simulated(vendor.trust_pem)


@pytest.fixture(scope="session")
def verifier(vendor: SimulatedVendor, anchors: TrustAnchors) -> Verifier:
    return Verifier(anchors, vendor.endorsements)
