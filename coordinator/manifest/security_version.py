"""A package's security version: the least that an enclave may report, and what raises it (contract 1.10)."""

from collections.abc import Mapping
from dataclasses import replace

from attestation.sgx.claims import SgxReferenceValues
from coordinator.manifest.model import Package


def security_version(package: Package) -> int | None:
    """The least version that is accepted, 0 where none is demanded; None if the package is not one of SGX alone."""
    versions = [v.isvsvn or 0 for v in package.alternatives if isinstance(v, SgxReferenceValues)]
    return min(versions) if len(versions) == len(package.alternatives) else None


def with_security_version(package: Package, least: int, source: str) -> Package:
    """The same package, with at least this version in each alternative.  source: where the demand stands."""
    alternatives = tuple(
        replace(values, isvsvn=least, sources={**values.sources, "isvsvn": source})
        if isinstance(values, SgxReferenceValues) and (values.isvsvn or 0) < least
        else values
        for values in package.alternatives
    )
    return replace(package, alternatives=alternatives)


def raised_packages(packages: Mapping[str, Package], raised: Mapping[str, int]) -> Mapping[str, Package]:
    """Packages as they are in force: a version that was raised holds beyond what the manifest says."""
    return {
        name: with_security_version(package, raised[name], "raised by a package update") if name in raised else package
        for name, package in packages.items()
    }
