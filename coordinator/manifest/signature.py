"""Detached signatures: a person's word for exact bytes, kept beside the document.

The format outlives this program: JSON with `format`, `fingerprint` (SHA-256 of the document's bytes), `key` (SHA-256 of
the SubjectPublicKeyInfo) and `signature` (base64), over the subject's label and the digest.  RSA signs with PSS and a
salt as long as the hash, EC keys with the hash of their own strength, Ed25519 as it is.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pki.keys import PrivateKey, PublicKey, fingerprint


class Subject(Enum):
    """What a signature is a word for.  One for a document of one kind is none for a document of another.

    value: `format` of the kept document, and the label that is signed with the digest.
    """

    MANIFEST = ("enclasp-manifest-signature/1", b"enclasp manifest signature v1\0")
    READ_REQUEST = ("enclasp-read-approval/1", b"enclasp read approval v1\0")

    @property
    def format(self) -> str:
        """How a kept signature of this kind begins."""
        return self.value[0]

    def message(self, digest: bytes) -> bytes:
        """The bytes that are signed for a document with this SHA-256."""
        return self.value[1] + digest


class SignatureFormatError(ValueError):
    """This document is no signature of that kind."""


class SignatureWrong(ValueError):
    """The signature is not one of this key over this fingerprint."""


@dataclass(frozen=True, slots=True)
class DetachedSignature:
    """document, key: SHA-256 of the document's bytes and of the signer's SubjectPublicKeyInfo, 32 bytes each."""

    subject: Subject
    document: bytes
    key: bytes
    signature: bytes

    def as_json(self) -> dict[str, str]:
        """The document that is kept."""
        return {
            "format": self.subject.format,
            "fingerprint": self.document.hex(),
            "key": self.key.hex(),
            "signature": base64.b64encode(self.signature).decode("ascii"),
        }

    def verify(self, key: PublicKey) -> None:
        """Check that this key signed this fingerprint.  Raises SignatureWrong."""
        if fingerprint(key) != self.key:
            raise SignatureWrong(f"expected key {fingerprint(key).hex()}, got a signature of key {self.key.hex()}")
        message = self.subject.message(self.document)
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(self.signature, message)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(self.signature, message, ec.ECDSA(hash_of(key)))
            else:
                key.verify(self.signature, message, _PSS, hashes.SHA256())
        except InvalidSignature as cause:
            raise SignatureWrong("expected a signature of this fingerprint by this key, got other bytes") from cause


def sign(raw: bytes, key: PrivateKey, subject: Subject) -> DetachedSignature:
    """Sign the exact bytes of a document."""
    digest = hashlib.sha256(raw).digest()
    message = subject.message(digest)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        signature = key.sign(message)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(message, ec.ECDSA(hash_of(key)))
    else:
        signature = key.sign(message, _PSS, hashes.SHA256())
    return DetachedSignature(subject, digest, fingerprint(key.public_key()), signature)


def message_to_sign(raw: bytes, subject: Subject) -> bytes:
    """The bytes that a signature of this document is over, for those who sign elsewhere (openssl, a token)."""
    return subject.message(hashlib.sha256(raw).digest())


def signed_elsewhere(raw: bytes, key: PublicKey, signature: bytes, subject: Subject) -> DetachedSignature:
    """A signature over `message_to_sign`, made elsewhere with the private half of `key`.

    signature: as `openssl` writes it; of an EC key also r and s side by side, as tokens give it.
    Raises SignatureWrong.
    """
    made = DetachedSignature(subject, hashlib.sha256(raw).digest(), fingerprint(key), signature)
    if isinstance(key, ec.EllipticCurvePublicKey) and len(signature) == 2 * (size := (key.curve.key_size + 7) // 8):
        r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
        pair = DetachedSignature(subject, made.document, made.key, encode_dss_signature(r, s))
        try:
            pair.verify(key)
        except SignatureWrong:
            pass  # it may be one of the other form that has this length by chance
        else:
            return pair
    made.verify(key)
    return made


def parse_signature(raw: bytes, subject: Subject) -> DetachedSignature:
    """Read what `as_json` wrote for this kind.  Nothing in it is believed yet.  Raises SignatureFormatError."""
    try:
        document: Any = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as cause:
        raise SignatureFormatError("signature: expected a JSON document") from cause
    if not isinstance(document, dict) or set(document) != _FIELDS or document["format"] != subject.format:
        fields = ", ".join(sorted(_FIELDS))
        raise SignatureFormatError(f"signature: expected the fields {fields}, format {subject.format}")
    try:
        digest, key = bytes.fromhex(document["fingerprint"]), bytes.fromhex(document["key"])
        signature = base64.b64decode(document["signature"], validate=True)
    except (TypeError, ValueError, binascii.Error) as cause:
        raise SignatureFormatError("signature: expected hex digits and base64") from cause
    if len(digest) != _DIGEST_BYTES or len(key) != _DIGEST_BYTES:
        raise SignatureFormatError("signature: expected fingerprint and key of 64 hex digits each")
    return DetachedSignature(subject, digest, key, signature)


def hash_of(key: ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) -> hashes.HashAlgorithm:
    """With which an EC key signs: one of its own strength."""
    if key.curve.key_size <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if key.curve.key_size <= 384 else hashes.SHA512()


_FIELDS: Final = frozenset({"format", "fingerprint", "key", "signature"})
_DIGEST_BYTES: Final = 32
_PSS: Final = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
