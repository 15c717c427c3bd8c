"""AWS's own root, as this room's tests name it."""

from attestation.roots.aws import GENUINE_ROOTS

__all__ = ["GENUINE_ROOTS"]
