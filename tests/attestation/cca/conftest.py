"""What the tests of Arm CCA share: tokens of the emulator, their key, and a simulated maker."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from attestation.anchors import Anchor
from attestation.cca.endorsements import CPAK_FILE, CcaEndorsements
from attestation.cca.verify import CcaVerifier
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.arm import Realm, SimulatedArm, new_arm

VECTORS = Path(__file__).parents[2] / "vectors" / "cca"


@dataclass(frozen=True)
class Case:
    """A token; `facts` is its case.json."""

    facts: dict[str, Any]
    evidence: Evidence
    endorsements: CcaEndorsements

    @property
    def verifier(self) -> CcaVerifier:
        return CcaVerifier((), self.endorsements)


@pytest.fixture(scope="session")
def cca_case() -> Callable[[str | Path], Case]:
    """A case of tests/vectors/cca by the start of its name, or of any folder."""

    def find(name: str | Path) -> Case:
        folder = name if isinstance(name, Path) else next(VECTORS.glob(f"{name}*"))
        return Case(
            json.loads((folder / "case.json").read_text()),
            Evidence(Kind.CCA, (folder / "token.cbor").read_bytes()),
            CcaEndorsements.from_files({CPAK_FILE: (folder / CPAK_FILE).read_bytes()}),
        )

    return find


@pytest.fixture(scope="session")
def arm(now: datetime) -> SimulatedArm:
    return new_arm(now)


@pytest.fixture(scope="session")
def simulated_root(arm: SimulatedArm) -> Anchor:
    return Anchor(x509.load_pem_x509_certificate(arm.trust_pem), simulated=True)


@pytest.fixture(scope="session")
def simulated(arm: SimulatedArm, simulated_root: Anchor) -> CcaVerifier:
    """A verifier that believes the simulated maker."""
    return CcaVerifier((simulated_root,), arm.endorsements)


@pytest.fixture(scope="session")
def realm() -> Realm:
    return Realm(rim=b"\x11" * 32, rems=tuple(bytes([0x20 + i]) * 32 for i in range(4)), personalization=b"p" * 64)
