"""AMD's own roots, as this room's tests and simulated vendor name them."""

from attestation.roots.amd import GENUINE_ROOTS

__all__ = ["GENUINE_ROOTS"]
