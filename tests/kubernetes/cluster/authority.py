"""The cluster's certificate authority: keys and certificates of its programs in a folder, as PEM files."""

import base64
import ipaddress
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki.certificates import CertificateTemplate, KeyUsage, build, load_pem_chain, pem
from pki.keys import KeyAlgorithm, generate, private_pem

_YEAR = timedelta(days=365)


class Authority:
    """Makes everything anew each time; a cluster's data does not outlive it either."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "ca.crt"
        self._key = generate(KeyAlgorithm.EC_P256)
        self._now = datetime.now(UTC)  # noqa: TID251 - a test cluster's certificates start now
        self._write("ca", _name("test-cluster-ca", None), _name("test-cluster-ca", None), is_ca=True)
        (self._issuer,) = load_pem_chain(self.certificate.read_bytes())

    def issue(self, name: str, common_name: str, organisation: str | None = None, names: Sequence[str] = ()) -> None:
        """NAME.crt and NAME.key for a program.  names: DNS names and addresses of a server."""
        self._write(name, _name(common_name, organisation), self._issuer.subject, names=names)

    def new_key(self, name: str) -> None:
        """A key pair without a certificate, NAME.key and NAME.pub."""
        key = generate(KeyAlgorithm.EC_P256)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.folder / f"{name}.pub").write_bytes(public)
        self._write_key(self.folder / f"{name}.key", private_pem(key))

    def kubeconfig(self, path: Path, name: str, server: str) -> None:
        """A configuration file for `name`, with everything in it."""

        def data(file: str) -> str:
            return base64.b64encode((self.folder / file).read_bytes()).decode()

        cluster = {"server": server, "certificate-authority-data": data("ca.crt")}
        user = {"client-certificate-data": data(f"{name}.crt"), "client-key-data": data(f"{name}.key")}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
        }
        self._write_key(path, json.dumps(document, indent=1).encode())

    def _write(
        self, name: str, subject: x509.Name, issuer: x509.Name, names: Sequence[str] = (), is_ca: bool = False
    ) -> None:
        key = self._key if is_ca else generate(KeyAlgorithm.EC_P256)
        addresses = tuple(ipaddress.ip_address(each) for each in names if each.replace(".", "").isdigit())
        template = CertificateTemplate(
            subject=subject,
            dns_names=tuple(each for each in names if not each.replace(".", "").isdigit()),
            ip_addresses=addresses,
            key_usage=KeyUsage.DIGITAL_SIGNATURE | (KeyUsage.CERT_SIGN | KeyUsage.CRL_SIGN if is_ca else KeyUsage.NONE),
            extended_key_usage=() if is_ca else (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
            is_ca=is_ca,
            subject_key_identifier=is_ca,
        )
        certificate = build(
            template,
            public_key=key.public_key(),
            issuer_name=issuer,
            issuer_key=self._key,
            not_before=self._now - timedelta(hours=1),
            not_after=self._now + _YEAR,
            serial=x509.random_serial_number(),
        )
        (self.folder / f"{name}.crt").write_bytes(pem(certificate))
        self._write_key(self.folder / f"{name}.key", private_pem(key))

    @staticmethod
    def _write_key(path: Path, content: bytes) -> None:
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)


def _name(common_name: str, organisation: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)
