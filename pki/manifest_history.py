"""What a root certificate says of the manifests that came before: a chain over all of them, and the latest digests.

The extension is a DER OCTET STRING under our own identifier.  Its content: the number of entries as u32 big endian,
the link over all of them (32 bytes), then up to MOST_PREDECESSORS digests of earlier manifests, newest first, 32 bytes
each.
Source: design.md, 3.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from pki import oids
from pki.certificates import CertificateFormatError

MOST_PREDECESSORS: Final = 16
GENESIS: Final = bytes(32)
"""The link before the first entry."""


@dataclass(frozen=True, slots=True)
class HistoryMark:
    """entries: how many.  link: over all of them, 32 bytes.  predecessors: earlier manifests' digests, newest first."""

    entries: int
    link: bytes
    predecessors: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """A moment of a history.  entries: how many it had.  link: over them, 32 bytes."""

    entries: int
    link: bytes


def next_link(previous: bytes, entry: bytes) -> bytes:
    """SHA-256 over a label, the previous link (32 bytes) and SHA-256 of the entry's exact bytes."""
    return hashlib.sha256(_LABEL + previous + hashlib.sha256(entry).digest()).digest()


def history_extension(mark: HistoryMark) -> x509.UnrecognizedExtension:
    """The extension for a root certificate."""
    content = mark.entries.to_bytes(4, "big") + mark.link + b"".join(mark.predecessors[:MOST_PREDECESSORS])
    return x509.UnrecognizedExtension(oids.MANIFEST_HISTORY, b"\x04" + _der_length(len(content)) + content)


def history_of(certificate: x509.Certificate) -> HistoryMark | None:
    """What a root certificate says; None where it says nothing.

    Raises CertificateFormatError if the extension is there but not of this form.
    """
    try:
        extension = certificate.extensions.get_extension_for_oid(oids.MANIFEST_HISTORY).value
    except x509.ExtensionNotFound:
        return None
    except ValueError as cause:
        raise CertificateFormatError(f"certificate: extensions cannot be read: {cause}") from cause
    raw = extension.value if isinstance(extension, x509.UnrecognizedExtension) else b""
    sizes = [_FIXED + 32 * count for count in range(MOST_PREDECESSORS + 1)]
    content = next((raw[-size:] for size in sizes if raw == b"\x04" + _der_length(size) + raw[-size:]), None)
    if content is None:
        raise CertificateFormatError(
            f"manifest history extension: expected an OCTET STRING of {_FIXED} to {sizes[-1]} bytes, got {len(raw)}"
        )
    digests = tuple(content[at : at + 32] for at in range(_FIXED, len(content), 32))
    return HistoryMark(int.from_bytes(content[:4], "big"), content[4:_FIXED], digests)


def _der_length(length: int) -> bytes:
    """Of a value below 64 KiB (X.690, 8.1.3)."""
    if length < 128:
        return bytes([length])
    raw = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(raw)]) + raw


_LABEL: Final = b"enclasp manifest history v1\0"
_FIXED: Final = 4 + 32
