"""Whose hardware proved a marble: what a limit by vendor counts."""

from collections.abc import Mapping
from typing import Final

from attestation.claims import Claims
from attestation.composite.claims import CompositeClaims
from attestation.kinds import Kind
from coordinator.decisions.errors import TooManyOnOneVendor
from coordinator.manifest.model import Marble
from coordinator.state.counters import vendor_key
from coordinator.state.model import Deployment


def vendor_of(claims: Claims) -> str:
    """The vendor whose root the proof of a program ends in: of the processor, where GPUs are with it."""
    if isinstance(claims, CompositeClaims):
        return vendor_of(claims.parts[0])
    kind = Kind(str(claims.details["hardware"])) if claims.kind is Kind.AZURE_VTPM else claims.kind
    return _VENDORS[kind]


def check_vendor_limit(deployment: Deployment, marble: Marble, vendor: str) -> None:
    """Raises TooManyOnOneVendor when this vendor's part of `MaxActivationsPerVendor` is used up.

    So no vendor alone, whose hardware may turn out to be broken, can hold more than that many instances.
    """
    used = deployment.by_vendor.get(vendor_key(vendor, marble.type), 0)
    if marble.max_per_vendor and used >= marble.max_per_vendor:
        raise TooManyOnOneVendor(
            f"marble '{marble.type}': maximum number of activations on hardware of {vendor} reached: expected at most "
            f"{marble.max_per_vendor} (manifest /Marbles/{marble.type}/MaxActivationsPerVendor), {used} were granted"
        )


_VENDORS: Final[Mapping[Kind, str]] = {
    Kind.SGX: "Intel",
    Kind.TDX: "Intel",
    Kind.SEV_SNP: "AMD",
    Kind.NITRO: "AWS",
    Kind.CCA: "Arm",
    Kind.NVIDIA_GPU: "NVIDIA",
}
