"""An owner's RSA key on a PKCS#11 token: it opens and signs there, and never leaves it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.mechanisms import MGF

from coordinator.cli import exit_codes
from coordinator.cli.problems import Problem
from coordinator.recovery.errors import EnvelopeUnreadable
from coordinator.recovery.oaep import decode_oaep


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


_OAEP: Final = (Mechanism.SHA256, MGF.SHA256, None)
