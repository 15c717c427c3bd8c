"""Which packages have a security version that a package update can raise, and what it then demands of evidence."""

from collections.abc import Callable
from typing import Any

import pytest

from attestation.anchors import TrustAnchors
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.claims import Claims
from attestation.sev_snp.claims import SevSnpReferenceValues
from attestation.sev_snp.verify import SevSnpVerifier
from attestation.sgx.claims import SgxReferenceValues
from attestation.simulation.amd import Guest, new_amd
from coordinator.manifest.model import Package
from coordinator.manifest.parse import Parsed
from coordinator.manifest.security_version import raised_packages, security_version
from tests.support.states import NOON

SNP = {"SEVSNP": {"IDKeyDigest": "11" * 48}}
SGX = {"SGX": {"MRSIGNER": "22" * 32, "ISVProdID": 1, "ISVSVN": 5}}
TDX = {"TDX": {"MRTD": "33" * 48}}


@pytest.fixture
def package(parsed: Callable[..., Parsed]) -> Callable[[dict[str, Any]], Package]:
    def read(fields: dict[str, Any]) -> Package:
        return parsed({"Packages": {"p": fields}, "Marbles": {"m": {"Package": "p"}}}).manifest.packages["p"]

    return read


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        (SGX, 5),
        (SNP, 0),
        ({"SEVSNP": {"IDKeyDigest": "11" * 48, "GuestSVN": 7}}, 7),
        (SGX | SNP, 0),
        (TDX, None),
        (SNP | TDX, None),
    ],
)
def test_the_version_is_the_least_that_is_accepted(
    package: Callable[[dict[str, Any]], Package], fields: dict[str, Any], version: int | None
) -> None:
    assert version == security_version(package(fields))


def test_raised_it_is_demanded_of_each_platform_and_never_lowered(package: Callable[[dict[str, Any]], Package]) -> None:
    both = package(SGX | SNP)
    for version, isvsvn in ((6, 6), (3, 5)):
        raised = raised_packages({"p": both}, {"p": version})["p"]
        found: dict[type, Any] = {type(values): values for values in raised.alternatives}
        assert isvsvn == found[SgxReferenceValues].isvsvn
        assert version == found[SevSnpReferenceValues].guest_svn
        assert "raised by a package update" == found[SevSnpReferenceValues].sources["guest_svn"]


def test_a_guest_of_an_older_version_is_refused_after_it_is_raised(
    package: Callable[[dict[str, Any]], Package], snp_guest: Callable[[int], Claims]
) -> None:
    (values,) = raised_packages({"p": package(SNP)}, {"p": 4})["p"].alternatives
    for svn, status in ((3, Status.FAILED), (4, Status.PASSED), (5, Status.PASSED)):
        (check,) = (c for c in values.appraise(snp_guest(svn)) if c.name == "sev-snp.guest-svn")
        assert (status, "raised by a package update") == (check.status, check.source)


@pytest.fixture(scope="module")
def snp_guest() -> Callable[[int], Claims]:
    """Claims of a simulated guest with this security version in its report."""
    vendor = new_amd(NOON)
    verifier = SevSnpVerifier(TrustAnchors(()).with_simulated(vendor.trust_pem).anchors, vendor.endorsements())

    def claims(svn: int) -> Claims:
        guest = Guest(b"\1" * 48, id_key_digest=b"\x11" * 48, guest_svn=svn)
        verification = verifier.verify(vendor.chip.report(guest, bytes(64)), Unbound(), now=NOON)
        assert verification.genuine
        return verification.claims

    return claims
