"""Which marble type does a certificate name?  Source: MarbleRun contract, section 2.6."""

from cryptography import x509

from pki import oids
from pki.certificates import CertificateFormatError


def marble_type_of(certificate: x509.Certificate) -> str | None:
    """The type in the certificate's extension; None without one (a certificate among the manifest's secrets, say).

    Raises CertificateFormatError if the certificate's extensions cannot be read or the type is no UTF-8.
    """
    try:
        value = certificate.extensions.get_extension_for_oid(oids.MARBLE_TYPE).value
        return value.value.decode() if isinstance(value, x509.UnrecognizedExtension) else None
    except x509.ExtensionNotFound:
        return None
    except ValueError as cause:
        raise CertificateFormatError("marble certificate: its marble type cannot be read") from cause
