"""NVIDIA's own roots: of its devices, and of its reference measurements (RIMs).

A root's role is told by its name, since one vendor has both.
"""

from typing import Final

from attestation.anchors import Anchor, common_name
from attestation.roots.nvidia import GENUINE_ROOTS

__all__ = ["DEVICE_ROOT", "GENUINE_ROOTS", "INTERMEDIATES", "RIM_ROOT", "with_name"]

DEVICE_ROOT: Final = "NVIDIA Device Identity CA"
RIM_ROOT: Final = "NVIDIA CoRIM signing Root CA"
INTERMEDIATES: Final = 4
"""How many certificates stand between a leaf and a root at most."""


def with_name(anchors: tuple[Anchor, ...], name: str) -> tuple[Anchor, ...]:
    """Those of the anchors that have this role."""
    return tuple(anchor for anchor in anchors if common_name(anchor.certificate.subject) == name)
