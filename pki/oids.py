"""Every object identifier that we emit or accept besides those of RFC 5280, each with its source."""

from typing import Final

from cryptography.x509 import ObjectIdentifier

# Our own arc below 2.25.  Every arc is below 2^31: Go's x509 refuses certificates with a larger one
# (docs/decisions/0005-small-oid-arc.md).
_OURS: Final = "2.25.928967267"

MANIFEST_DIGEST: Final = ObjectIdentifier(f"{_OURS}.1")
"""Root certificate: digest of the manifest in force.  Source: design.md, 3."""

SIMULATED_VENDOR: Final = ObjectIdentifier(f"{_OURS}.2")
"""Root of a simulated vendor: marks everything below it as simulated.  Source: design.md, 8."""

MANIFEST_HISTORY: Final = ObjectIdentifier(f"{_OURS}.3")
"""Root certificate: chain over the digests of all earlier manifests.  Source: design.md, 3."""

COMPOSITE_EVIDENCE: Final = ObjectIdentifier(f"{_OURS}.4")
"""Type of a CMW collection: a processor's evidence and that of its GPUs.  Source: attestation/composite/format.py."""

CMW: Final = ObjectIdentifier("1.3.6.1.5.5.7.1.35")
"""id-pe-cmw: evidence in a certificate.  Source: draft-ietf-rats-msg-wrap, RATS Conceptual Messages Wrapper."""

MARBLE_TYPE: Final = ObjectIdentifier("1.3.9903.2.1")
"""Marble certificate: UTF-8 bytes of the marble type, not wrapped in DER.  Source: MarbleRun contract, 2.6."""
