"""The manifest's digest inside a root certificate: a DER OCTET STRING of 32 bytes under our own identifier."""

from cryptography import x509

from pki import oids
from pki.certificates import CertificateFormatError

_OCTET_STRING_OF_32 = b"\x04\x20"


def manifest_digest_extension(digest: bytes) -> x509.UnrecognizedExtension:
    """The extension for a SHA-256 digest.  Source: design.md, 3."""
    if len(digest) != 32:
        raise ValueError(f"manifest digest: expected 32 bytes, got {len(digest)}")
    return x509.UnrecognizedExtension(oids.MANIFEST_DIGEST, _OCTET_STRING_OF_32 + digest)


def manifest_digest_of(certificate: x509.Certificate) -> bytes:
    """The digest that a root certificate carries; empty before a manifest was set.

    Raises CertificateFormatError if the extension is there but not of this form.
    """
    try:
        extension = certificate.extensions.get_extension_for_oid(oids.MANIFEST_DIGEST).value
    except x509.ExtensionNotFound:
        return b""
    except ValueError as cause:
        raise CertificateFormatError(f"certificate: extensions cannot be read: {cause}") from cause
    raw = extension.value if isinstance(extension, x509.UnrecognizedExtension) else b""
    if len(raw) != 34 or raw[:2] != _OCTET_STRING_OF_32:
        raise CertificateFormatError(f"manifest digest extension: expected 34 bytes of DER, got {len(raw)}")
    return raw[2:]
