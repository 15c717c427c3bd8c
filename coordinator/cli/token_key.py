"""A private key on a PKCS#11 token: it opens shares (RSA) and signs there, and never leaves it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pkcs11
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from pkcs11 import Attribute, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.mechanisms import MGF

from coordinator.cli import exit_codes
from coordinator.cli.problems import Problem
from coordinator.manifest.signature import hash_of
from coordinator.recovery.errors import EnvelopeUnreadable
from coordinator.recovery.oaep import decode_oaep
from pki.keys import PublicKey


@dataclass(frozen=True, slots=True)
class KeyOnToken:
    """An `Opener`.  module: the maker's library; label: of the private key; pin_file: one line."""

    module: Path
    token: str
    label: str
    pin_file: Path

    def open(self, envelope: bytes) -> bytes:
        """The share in an envelope.  Raises EnvelopeUnreadable, Problem."""
        with self._key() as key:
            if len(envelope) != len(key[Attribute.MODULUS].lstrip(b"\0")):
                raise EnvelopeUnreadable("this share was encrypted for a key of another length")
            try:
                return bytes(key.decrypt(envelope, mechanism=Mechanism.RSA_PKCS_OAEP, mechanism_param=_OAEP))
            except PKCS11Error:  # many tokens know OAEP with SHA-1 only
                return decode_oaep(bytes(key.decrypt(envelope, mechanism=Mechanism.RSA_X_509)))

    def prove(self, message: bytes, share: bytes) -> bytes:
        """RSA PKCS#1 v1.5 over SHA-256 of the message."""
        with self._key() as key:
            return bytes(key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS))

    def sign(self, message: bytes, public: PublicKey) -> bytes:
        """A detached signature's bytes, of an EC key r and s side by side.  public: the other half, which says how."""
        with self._key() as key:
            if isinstance(public, ec.EllipticCurvePublicKey):
                digest = hashes.Hash(hash_of(public))
                digest.update(message)
                return bytes(key.sign(digest.finalize(), mechanism=Mechanism.ECDSA))
            if isinstance(public, ed25519.Ed25519PublicKey):
                return bytes(key.sign(message, mechanism=Mechanism.EDDSA))
            return bytes(key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=_PSS))

    @contextmanager
    def _key(self) -> Iterator[Any]:
        """The key, whose kind decides what it can.  Raises Problem, OSError."""
        pin = self.pin_file.read_text().rstrip("\r\n")
        try:
            with pkcs11.lib(str(self.module)).get_token(token_label=self.token).open(user_pin=pin) as session:
                yield session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=self.label)
        except (RuntimeError, PKCS11Error) as cause:
            reason = str(cause) or type(cause).__name__
            message = f"PKCS#11 token '{self.token}', key '{self.label}': {reason}"
            raise Problem(message, exit_codes.INVALID, "U561") from cause


_PSS: Final = (Mechanism.SHA256, MGF.SHA256, 32)
_OAEP: Final = (Mechanism.SHA256, MGF.SHA256, None)
