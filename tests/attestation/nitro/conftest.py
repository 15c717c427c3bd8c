"""What the tests of Nitro share: real documents, AWS's root, and a simulated AWS with an enclave."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from attestation.anchors import Anchor
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nitro.endorsements import NitroEndorsements
from attestation.nitro.roots import GENUINE_ROOTS
from attestation.nitro.verify import NitroVerifier
from attestation.simulation.aws import NitroEnclave, SimulatedAws, new_aws

VECTORS = Path(__file__).parents[2] / "vectors" / "nitro"


@dataclass(frozen=True)
class Case:
    """A real document; `facts` is its case.json."""

    facts: dict[str, Any]
    evidence: Evidence

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.facts["verify_at"])


@pytest.fixture(scope="session")
def nitro_case() -> Callable[[str | Path], Case]:
    """A case of tests/vectors/nitro by the start of its name, or of any folder."""

    def find(name: str | Path) -> Case:
        folder = name if isinstance(name, Path) else next(VECTORS.glob(f"{name}*"))
        facts = json.loads((folder / "case.json").read_text())
        return Case(facts, Evidence(Kind.NITRO, (folder / "document.cbor").read_bytes()))

    return find


@pytest.fixture(scope="session")
def genuine() -> NitroVerifier:
    """A verifier that believes AWS alone."""
    anchors = tuple(Anchor(x509.load_pem_x509_certificate(root), simulated=False) for root in GENUINE_ROOTS)
    return NitroVerifier(anchors, NitroEndorsements())


@pytest.fixture(scope="session")
def aws(now: datetime) -> SimulatedAws:
    return new_aws(now)


@pytest.fixture(scope="session")
def simulated(aws: SimulatedAws) -> NitroVerifier:
    """A verifier that believes the simulated AWS alone."""
    anchor = Anchor(x509.load_pem_x509_certificate(aws.trust_pem), simulated=True)
    return NitroVerifier((anchor,), NitroEndorsements())


@pytest.fixture(scope="session")
def enclave() -> NitroEnclave:
    return NitroEnclave({i: bytes([0x10 + i]) * 48 for i in (0, 1, 2, 3, 4, 8)})
