"""Who may give a fresh Coordinator its first manifest, or put aside a state that waits for recovery.

Without keys and token anyone who comes first, as with MarbleRun.  With them, who holds one of the keys (the TLS
connection proves it) or knows the token.  Both stand in the Coordinator's own configuration, measured with its image.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from pki.certificates import CertificateFormatError, load_der
from pki.keys import KeyFormatError, fingerprint, public_of_known_kind


class SettersInvalid(ValueError):
    """The file of the setters' keys, or the token's digest, cannot be used."""


@dataclass(frozen=True, slots=True)
class Setters:
    """keys: SHA-256 of each SubjectPublicKeyInfo.  token: SHA-256 of the claim token, or empty."""

    keys: frozenset[bytes] = frozenset()
    token: bytes = b""

    @property
    def restricted(self) -> bool:
        """Whether not everybody may."""
        return bool(self.keys or self.token)

    def include(self, leaf: bytes | None, token: str) -> bool:
        """Whether this caller may.  leaf: the certificate that the connection proved, DER; token: as sent, or empty."""
        if not self.restricted:
            return True
        if self.token and hmac.compare_digest(hashlib.sha256(token.encode()).digest(), self.token):
            return True
        return leaf is not None and _key(leaf) in self.keys


ANYONE: Final = Setters()


def parse_setters(pem: bytes, token_sha256: str) -> Setters:
    """pem: certificates and public keys, or empty.  token_sha256: hex, or empty.  Raises SettersInvalid."""
    token = b""
    if token_sha256:
        if not re.fullmatch("[0-9a-f]{64}", token_sha256):
            raise SettersInvalid("claim_token_sha256: expected SHA-256 of the token, 64 lower-case hex digits")
        token = bytes.fromhex(token_sha256)
    keys = frozenset(_keys(pem))
    if pem and not keys:
        raise SettersInvalid("setters: expected blocks of CERTIFICATE or PUBLIC KEY in PEM, got none")
    return Setters(keys, token)


def _keys(pem: bytes) -> Iterator[bytes]:
    for match in _BLOCK.finditer(pem):
        try:
            if match[1] == b"CERTIFICATE":
                key: object = x509.load_pem_x509_certificate(match[0]).public_key()
            else:
                key = load_pem_public_key(match[0])
            yield fingerprint(public_of_known_kind(key))
        except (ValueError, UnsupportedAlgorithm, KeyFormatError) as cause:
            raise SettersInvalid("setters: expected certificates or public keys (EC, Ed25519, RSA) in PEM") from cause


def _key(leaf: bytes) -> bytes:
    try:
        return fingerprint(public_of_known_kind(load_der(leaf).public_key()))
    except (ValueError, UnsupportedAlgorithm, CertificateFormatError, KeyFormatError):
        return b""


_BLOCK: Final = re.compile(rb"-----BEGIN (CERTIFICATE|PUBLIC KEY)-----.*?-----END \1-----", re.DOTALL)
