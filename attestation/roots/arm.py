"""Arm CCA has no vendor's root: whoever owns a machine says which key (CPAK) it attests with."""

from typing import Final

GENUINE_ROOTS: Final[tuple[bytes, ...]] = ()
