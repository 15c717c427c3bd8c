"""Arm CCA has no vendor's root; see `endorsements`."""

from attestation.roots.arm import GENUINE_ROOTS

__all__ = ["GENUINE_ROOTS"]
