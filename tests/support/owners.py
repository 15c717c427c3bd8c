"""Owners of recovery shares for tests, as people with openssl would be: a key file each, and MarbleRun's requests."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from coordinator.recovery.owner_key import KeyInMemory, OwnerPrivateKey


@dataclass(frozen=True)
class OwnerOfShare:
    """key: PEM file.  pem: the public half, as it stands under RecoveryKeys."""

    name: str
    key: Path
    pem: str
    private: OwnerPrivateKey

    @property
    def opener(self) -> KeyInMemory:
        return KeyInMemory(self.private)

    def submission(self, envelope: str, **more: Any) -> bytes:
        """The body that MarbleRun's client sends: the plain share, signed as such."""
        share = self.opener.open(base64.b64decode(envelope))
        document = {"recoverySecret": b64(share), "recoverySecretSignature": b64(self.opener.prove(share, share))}
        return json.dumps(document | more).encode()


def owner(folder: Path, name: str, *, kind: str = "rsa") -> OwnerOfShare:
    """A new one.  kind: rsa, ec or x25519."""
    private: OwnerPrivateKey
    if kind == "rsa":
        private = rsa.generate_private_key(65537, 2048)
    elif kind == "ec":
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = x25519.X25519PrivateKey.generate()
    path = folder / f"{name}-recovery.key"
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return OwnerOfShare(name, path, pem, private)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
