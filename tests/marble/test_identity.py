"""What a marble shows before it is activated."""

import ipaddress
import stat
import subprocess
import sys
import uuid
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from marble.errors import SettingsInvalid
from marble.identity import load_or_create_uuid, make_identity
from pki.certificates import FOREVER, load_der, parse_csr

ADDRESSES = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))
DRAWN = uuid.UUID("123e4567-e89b-12d3-a456-426614174000")


def test_the_certificate_is_what_the_contract_says(now: datetime) -> None:
    certificate = load_der(make_identity(("web",), ADDRESSES, now=now).certificate_der)
    extensions = certificate.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    key = certificate.public_key()
    certificate.verify_directly_issued_by(certificate)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA384)
    assert (key.curve.name, certificate.subject.rfc4514_string()) == ("secp384r1", "CN=MarbleRun Marble")
    assert (["web"], list(ADDRESSES)) == (
        names.get_values_for_type(x509.DNSName),
        names.get_values_for_type(x509.IPAddress),
    )
    assert (usage.digital_signature, usage.key_agreement, usage.key_cert_sign) == (True, True, False)
    assert {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} == set(
        extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    )
    assert (certificate.not_valid_after_utc - now) // 1_000_000 == FOREVER // 1_000_000


def test_the_csr_asks_for_the_same_names_with_the_same_key(now: datetime) -> None:
    identity = make_identity(("web",), ADDRESSES, now=now)
    request = parse_csr(identity.csr_der)
    assert (request.dns_names, request.ip_addresses) == (("web",), ADDRESSES)
    assert load_der(identity.certificate_der).public_key() == request.public_key


def test_every_start_has_its_own_key_and_does_not_show_it(now: datetime) -> None:
    one, two = (make_identity((), ADDRESSES, now=now) for _ in range(2))
    assert one.key_pem != two.key_pem
    assert "PRIVATE" not in repr(one)


def test_a_missing_uuid_file_is_made_for_this_user_and_then_kept(tmp_path: Path) -> None:
    path = tmp_path / "uuid"
    assert load_or_create_uuid(path, lambda: DRAWN) == DRAWN
    assert (str(DRAWN).encode(), 0o600) == (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
    assert load_or_create_uuid(path, uuid.uuid4) == DRAWN
    assert [found.name for found in tmp_path.iterdir()] == ["uuid"]


def test_of_two_processes_at_once_one_uuid_wins(tmp_path: Path) -> None:
    code = (
        "import sys, uuid, pathlib; from marble.identity import load_or_create_uuid;"
        "print(load_or_create_uuid(pathlib.Path(sys.argv[1]), uuid.uuid4))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "uuid")], stdout=subprocess.PIPE) for _ in range(3)
    ]
    assert len({process.communicate()[0] for process in running}) == 1


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (str(DRAWN) + "\n", "newline"),
        ("", "draw a new"),
        (str(DRAWN)[:-1] + "x", "draw a new"),
        (DRAWN.hex, "draw a new"),
        ("\N{SNOWMAN}" * 12, "draw a new"),
    ],
)
def test_a_uuid_file_with_anything_else_is_refused(tmp_path: Path, content: str, hint: str) -> None:
    path = tmp_path / "uuid"
    path.write_text(content)
    with pytest.raises(SettingsInvalid, match=hint):
        load_or_create_uuid(path, uuid.uuid4)
    assert content == path.read_text()


def test_an_unwritable_place_for_the_uuid_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="absent/uuid': No such file or directory"):
        load_or_create_uuid(tmp_path / "absent" / "uuid", uuid.uuid4)
