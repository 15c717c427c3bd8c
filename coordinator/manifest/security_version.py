"""A package's security version: the least that a program may report, and what raises it (contract 1.10).

SGX enclaves report ISVSVN, SEV-SNP guests GUEST_SVN of their ID block; both are their maker's own number.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from attestation.claims import ReferenceValues
from attestation.sev_snp.claims import SevSnpReferenceValues
from attestation.sgx.claims import SgxReferenceValues
from coordinator.manifest.model import Package

PLATFORMS: Final = "SGX and SEV-SNP"
"""Where programs report a security version of their maker's."""


def security_version(package: Package) -> int | None:
    """The least version that is accepted, 0 where none is demanded; None where a platform of it has no such version."""
    versions = [_least(values) for values in package.alternatives]
    return min(known) if len(known := [v for v in versions if v is not None]) == len(versions) else None


def with_security_version(package: Package, least: int, source: str) -> Package:
    """The same package, with at least this version in each alternative.  source: where the demand stands."""
    return replace(package, alternatives=tuple(_raised(values, least, source) for values in package.alternatives))


def raised_packages(packages: Mapping[str, Package], raised: Mapping[str, int]) -> Mapping[str, Package]:
    """Packages as they are in force: a version that was raised holds beyond what the manifest says."""
    return {
        name: with_security_version(package, raised[name], "raised by a package update") if name in raised else package
        for name, package in packages.items()
    }


def _least(values: ReferenceValues) -> int | None:
    match values:
        case SgxReferenceValues():
            return values.isvsvn or 0
        case SevSnpReferenceValues():
            return values.guest_svn or 0
    return None


def _raised(values: ReferenceValues, least: int, source: str) -> ReferenceValues:
    if (_least(values) or 0) >= least:
        return values
    match values:
        case SgxReferenceValues():
            return replace(values, isvsvn=least, sources={**values.sources, "isvsvn": source})
        case SevSnpReferenceValues():
            return replace(values, guest_svn=least, sources={**values.sources, "guest_svn": source})
    return values
