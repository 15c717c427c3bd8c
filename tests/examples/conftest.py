"""The two programs of the example as real processes, below a small PKI of the coordinator's shape."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509

from examples.common_customers import company
from examples.common_customers.processes import Processes
from marble import settings
from pki import certificates, keys, oids
from pki.certificates import CertificateTemplate, ExtraExtension, KeyUsage
from tests.support.ports import free_ports

PROGRAMS = Path(company.__file__).parent
NOW = datetime.now(UTC)  # noqa: TID251 - the programs under test are real processes with a real clock
_CA = KeyUsage.DIGITAL_SIGNATURE | KeyUsage.CERT_SIGN


@dataclass(slots=True)
class SmallCoordinator:
    """Root, intermediate and marble root as the coordinator makes them; hands identities out without any evidence."""

    root_key: keys.PrivateKey = field(default_factory=lambda: keys.generate(keys.KeyAlgorithm.EC_P384))
    key: keys.PrivateKey = field(default_factory=lambda: keys.generate(keys.KeyAlgorithm.EC_P384))
    root: x509.Certificate = field(init=False)
    intermediate: x509.Certificate = field(init=False)
    marble_root: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        above = certificates.common_name("MarbleRun Coordinator")
        name = certificates.common_name("MarbleRun Coordinator - Intermediate CA")
        self.root = self._build(
            CertificateTemplate(above, is_ca=True, key_usage=_CA), self.root_key, above, self.root_key
        )
        below = CertificateTemplate(name, is_ca=True, key_usage=_CA, subject_key_identifier=True)
        self.intermediate = self._build(below, self.key, above, self.root_key)
        self.marble_root = self._build(below, self.key, name, self.key)

    def environ(self, marble_type: str) -> dict[str, str]:
        """The predefined variables of a marble."""
        key = keys.generate(keys.KeyAlgorithm.EC_P384)
        kind = ExtraExtension(x509.UnrecognizedExtension(oids.MARBLE_TYPE, marble_type.encode()))
        leaf = self.issue(f"uuid-of-{marble_type}", key, extra=(kind,))
        return {
            settings.ROOT_CA: certificates.pem(self.marble_root).decode(),
            settings.CERTIFICATE_CHAIN: certificates.pem(leaf, self.intermediate).decode(),
            settings.PRIVATE_KEY: keys.private_pem(key).decode(),
            settings.COORDINATOR_ROOT_CA: certificates.pem(self.root).decode(),
        }

    def issue(self, name: str, key: keys.PrivateKey, extra: tuple[ExtraExtension, ...] = ()) -> x509.Certificate:
        """A leaf below the intermediate."""
        template = CertificateTemplate(
            certificates.common_name(name),
            ("localhost",),
            (IPv4Address("127.0.0.1"),),
            key_usage=KeyUsage.DIGITAL_SIGNATURE,
            extra=extra,
        )
        return self._build(template, key, self.marble_root.subject, self.key)

    def _build(
        self, template: CertificateTemplate, key: keys.PrivateKey, issuer: x509.Name, issuer_key: keys.PrivateKey
    ) -> x509.Certificate:
        return certificates.build(
            template,
            public_key=key.public_key(),
            issuer_name=issuer,
            issuer_key=issuer_key,
            not_before=NOW,
            serial=x509.random_serial_number(),
        )


@dataclass(frozen=True, slots=True)
class Example:
    """The running programs.  address: of the door for companies.  now: within everybody's validity."""

    folder: Path
    coordinator: SmallCoordinator
    processes: Processes
    address: str
    receipts_address: str
    store_key: bytes
    intersection_environ: dict[str, str]
    receipts_environ: dict[str, str]
    now: datetime = NOW

    def identity(self, name: str) -> Path:
        """Key and certificate of a company that stands in the manifest."""
        return self.folder / name / name

    def start_receipts(self) -> None:
        """Start the receipts program, as at first or after it was stopped."""
        self._start("receipts", "receipts", self.receipts_environ, self.receipts_address)

    def start_intersection(self, name: str, predefined: Mapping[str, str], address: str) -> None:
        """Start the intersection program under a name, with the identity that `predefined` says."""
        environ = {**self.intersection_environ, **predefined, "INTERSECTION_ADDRESS": address}
        self._start(name, "intersection", environ, address)

    def _start(self, name: str, program: str, environ: Mapping[str, str], address: str) -> None:
        self.processes.start(name, (sys.executable, str(PROGRAMS / f"{program}.py")), environ)
        self.processes.wait_for_port(name, int(address.rpartition(":")[2]))


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    """Both programs, freshly started, without a list."""
    coordinator = SmallCoordinator()
    processes = Processes(tmp_path)
    door, mesh = free_ports(2)
    environ = {"RECEIPTS_ADDRESS": f"localhost:{mesh}"}
    for name in ("alice", "bob"):
        certificate = company.make_keys(tmp_path / name, name, NOW)
        environ[f"{name.upper()}_CERTIFICATE"] = certificate.read_text()
    receipt_key, store_key = keys.generate(keys.KeyAlgorithm.EC_P256), bytes(range(32))
    receipt_certificate = coordinator.issue(company.RECEIPT_NAME, receipt_key)
    receipts_environ = {
        **coordinator.environ("receipts"),
        "RECEIPTS_ADDRESS": environ["RECEIPTS_ADDRESS"],
        "RECEIPTS_FOLDER": str(tmp_path / "receipts"),
        "RECEIPT_KEY": keys.private_pem(receipt_key).decode(),
        "RECEIPT_CERTIFICATE": certificates.pem(receipt_certificate).decode(),
        "STORE_KEY": store_key.hex(),
    }
    address, receipts_address = f"127.0.0.1:{door}", environ["RECEIPTS_ADDRESS"]
    example = Example(tmp_path, coordinator, processes, address, receipts_address, store_key, environ, receipts_environ)
    try:
        example.start_receipts()
        example.start_intersection("intersection", coordinator.environ("intersection"), address)
        yield example
    finally:
        processes.stop_all()
