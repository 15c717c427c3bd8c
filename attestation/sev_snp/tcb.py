"""Which firmware versions do the eight bytes of a TCB_VERSION hold?  The layout depends on the product.

Source: AMD SEV-SNP Firmware ABI (56860), TCB_VERSION; AMD VCEK certificate and KDS interface (57230), product names.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

TCB_BYTES: Final = 8


class Product(StrEnum):
    """AMD's product lines that have a root of their own; Bergamo and Siena are Genoa's."""

    MILAN = "Milan"
    GENOA = "Genoa"
    TURIN = "Turin"


def components(tcb: bytes, product: Product) -> Mapping[str, int]:
    """Security version of each firmware component, 0 to 255.  tcb: 8 bytes as in the report."""
    return {name: tcb[offset] for name, offset in LAYOUTS[product].items()}


def encode(svns: Mapping[str, int], product: Product) -> bytes:
    """The eight bytes for these security versions; a component that is not named is 0."""
    tcb = bytearray(TCB_BYTES)
    for name, offset in LAYOUTS[product].items():
        tcb[offset] = svns.get(name, 0)
    return bytes(tcb)


def product_of_cpuid(family: int, model: int) -> Product | None:
    """The product that CPUID names; None for one that is newer than this table."""
    for product, known_family, models in _CPUIDS:
        if family == known_family and model in models:
            return product
    return None


def words(svns: Mapping[str, int]) -> str:
    """For people: `bootloader 4, tee 0, snp 24, microcode 219`."""
    return ", ".join(f"{name} {svn}" for name, svn in svns.items())


_OLD_LAYOUT: Final[Mapping[str, int]] = {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7}
LAYOUTS: Final[Mapping[Product, Mapping[str, int]]] = {
    Product.MILAN: _OLD_LAYOUT,
    Product.GENOA: _OLD_LAYOUT,
    Product.TURIN: {"fmc": 0, "bootloader": 1, "tee": 2, "snp": 3, "microcode": 7},
}
_CPUIDS: Final = (
    (Product.MILAN, 0x19, range(0x10)),
    (Product.GENOA, 0x19, range(0x10, 0x20)),
    (Product.GENOA, 0x19, range(0xA0, 0xB0)),
    (Product.TURIN, 0x1A, range(0x20)),
)
