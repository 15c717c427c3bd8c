"""Users of a manifest for tests: a key and a self-signed certificate each, and the files that curl and the command
line take."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from pki.keys import PrivateKey


@dataclass(frozen=True)
class Person:
    """certificate, key: PEM files.  pem, der: the certificate."""

    name: str
    certificate: Path
    key: Path
    pem: str
    der: bytes

    @property
    def curl(self) -> tuple[str, ...]:
        """Options of curl that show this certificate."""
        return ("--cert", str(self.certificate), "--key", str(self.key))

    @property
    def flags(self) -> tuple[str, ...]:
        """Options of our command line that do."""
        return ("--user-cert", str(self.certificate), "--user-key", str(self.key))

    def entry(self, *roles: str) -> dict[str, Any]:
        """This person under `Users` of a manifest."""
        return {"Certificate": self.pem, "Roles": list(roles)}


def person(folder: Path, name: str, *, kind: str = "ec", expired: bool = False) -> Person:
    """A new one.  kind: ec, rsa or ed25519."""
    return _certified(folder, name, _MAKE[kind](), kind=kind, expired=expired)


def same_key(other: Person, folder: Path, name: str) -> Person:
    """Another certificate of somebody's key, which is of kind ec."""
    key = load_pem_private_key(other.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return _certified(folder, name, key, kind="ec", expired=False)


def _certified(folder: Path, name: str, key: PrivateKey, *, kind: str, expired: bool) -> Person:
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - a client's clock
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    begin = now - dt.timedelta(days=30)
    end = now + dt.timedelta(days=-1 if expired else 30)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    certificate = builder.sign(key, None if kind == "ed25519" else hashes.SHA256())
    pem = certificate.public_bytes(Encoding.PEM)
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(pem)
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Person(name, *paths, pem.decode(), certificate.public_bytes(Encoding.DER))


_MAKE: Any = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
