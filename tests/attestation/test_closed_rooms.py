"""What a verifier or a machine cannot do for want of a package or readable endorsements is refused with the reason."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attestation.anchors import TrustAnchors
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.codes import COLLATERAL_FORMAT, NO_PACKAGE
from attestation.collect.finder import INTERFACES, find
from attestation.endorsements import Endorsements
from attestation.errors import EndorsementFormatError, NoDevice, foreign_package
from attestation.evidence import Evidence
from attestation.issue import find_issuer
from attestation.kinds import Kind
from attestation.simulation.folder import create
from attestation.verify import Verifier

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CBOR_ROOMS = ("attestation.cbor", "attestation.cose", "attestation.nitro", "attestation.cca", "attestation.simulation")


@pytest.fixture
def without_cbor(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a marble's own distribution: nobody has loaded the rooms that need cbor2, and it is not there."""
    for name in [name for name in sys.modules if name.startswith(CBOR_ROOMS)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cbor2", None)


@pytest.mark.usefixtures("without_cbor")
@pytest.mark.parametrize("kind", [Kind.NITRO, Kind.CCA])
def test_without_a_package_that_a_platform_needs_its_evidence_is_refused_by_name(kind: Kind) -> None:
    verifier = Verifier(TrustAnchors.genuine(), Endorsements.none())

    refused = verifier.verify(Evidence(kind, b"\xd9\x01\x8f"), Unbound(), now=NOW)

    assert not refused.genuine
    assert [("verifier.ready", NO_PACKAGE)] == [(check.name, check.code) for check in refused.checks]
    assert "'cbor2' is not installed" in refused.checks[0].found
    other = verifier.verify(Evidence(Kind.SEV_SNP, b"\x02"), Unbound(), now=NOW)
    assert "sev-snp.format" == other.checks[0].name


@pytest.mark.usefixtures("without_cbor")
def test_without_the_package_the_other_interfaces_and_machines_are_still_found(tmp_path: Path) -> None:
    with pytest.raises(NoDevice, match=r"Nitro \(/dev/nsm\): it needs the Python package 'cbor2', which is missing"):
        find(INTERFACES)
    create(tmp_path / "vendors", [Kind.TDX])
    environ = {"ENCLASP_SIMULATION": str(tmp_path / "vendors")}
    with pytest.raises(NoDevice, match="simulated nitro: it needs the Python package 'cbor2'"):
        find_issuer({**environ, "ENCLASP_SIMULATION_KIND": "nitro"}, [])
    assert Kind.TDX is find_issuer(environ, []).kind


def test_endorsements_that_cannot_be_read_refuse_their_own_platform_and_are_named_when_asked_for() -> None:
    broken = Endorsements(sections={Kind.SEV_SNP: ({"certificate": "no base64!"},), Kind.CCA: ()})
    verifier = Verifier(TrustAnchors.genuine(), broken)

    with pytest.raises(EndorsementFormatError, match="/sev_snp/0"):
        verifier.read_endorsements()
    refused = verifier.verify(Evidence(Kind.SEV_SNP, b"\x02"), Unbound(), now=NOW)
    assert not refused.genuine
    assert [(Status.FAILED, COLLATERAL_FORMAT)] == [(check.status, check.code) for check in refused.checks]
    assert "cca.format" == verifier.verify(Evidence(Kind.CCA, b""), Unbound(), now=NOW).checks[0].name
    Verifier(TrustAnchors.genuine(), Endorsements(sections={Kind.SEV_SNP: ()})).read_endorsements()


def test_a_module_of_ours_that_is_missing_is_a_mistake_and_not_a_reason() -> None:
    assert "cbor2" == foreign_package(ModuleNotFoundError(name="cbor2.types"))
    for name in ("attestation.nitro", None):
        with pytest.raises(ModuleNotFoundError):
            foreign_package(ModuleNotFoundError(name=name))
