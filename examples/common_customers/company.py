"""What a company runs on its own machine: make a certificate, take part in a run, check the receipt.

    python -m examples.common_customers.company keys FOLDER NAME
    python -m examples.common_customers.company take-part HOST:PORT --root ROOT.pem --identity FOLDER/NAME LIST.csv

ROOT.pem is what `enclasp verify --out ROOT.pem` wrote: the one certificate that stands for the deployment, its
manifest and its programs.  Nothing of the list leaves before the server has proved that it is the marble
`intersection` below that certificate.  Exit codes are the enclasp command's: 0 done, 3 the list was refused,
4 the server or the receipt was refused, 6 unreachable.
"""

import argparse
import base64
import hashlib
import json
import os
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID

from marble.mesh import Identity, NotAMarble
from pki import certificates, keys
from pki.chains import ChainInvalid, verify_path

SERVER_TYPE = "intersection"
RECEIPT_NAME = "common customers: receipts"
CERTIFICATE_LIFETIME = timedelta(days=365)
PATIENCE_SECONDS = 120


class Refused(Exception):
    """Something did not prove what it had to; nothing of it is used.  exit_code: as the enclasp command's."""

    exit_code = 4


class ListRefused(Refused):
    """The service did not take our list."""

    exit_code = 3


class Unreachable(Refused):
    """Nobody answered, or not in time."""

    exit_code = 6


@dataclass(frozen=True, slots=True)
class Result:
    """common: the addresses that both have.  number: of the receipt.  sizes: customers of each company."""

    common: tuple[str, ...]
    number: int
    sizes: Mapping[str, int]


def make_keys(folder: Path, name: str, now: datetime) -> Path:
    """Write NAME.key.pem (mode 0600) and NAME.certificate.pem, self-signed; returns the certificate's path."""
    key = keys.generate(keys.KeyAlgorithm.EC_P256)
    subject = certificates.common_name(name)
    certificate = certificates.build(
        certificates.CertificateTemplate(
            subject,
            key_usage=certificates.KeyUsage.DIGITAL_SIGNATURE,
            extended_key_usage=(ExtendedKeyUsageOID.CLIENT_AUTH,),
        ),
        public_key=key.public_key(),
        issuer_name=subject,
        issuer_key=key,
        not_before=now,
        not_after=now + CERTIFICATE_LIFETIME,
        serial=x509.random_serial_number(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.key.pem", "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(keys.private_pem(key))
    path = folder / f"{name}.certificate.pem"
    path.write_bytes(certificates.pem(certificate))
    return path


def take_part(address: str, root: x509.Certificate, identity: Path, customers: bytes, now: datetime) -> Result:
    """Send our list, wait for the other's, and return the result, checked against the receipt.

    identity: FOLDER/NAME as `make_keys` wrote it.  Raises Refused, ListRefused, Unreachable.
    A list that is there already is not sent again, so a run that broke off can be taken up.
    """
    company = identity.name
    salt = _salt(identity.with_name(f"{company}.key.pem").read_bytes(), customers)
    try:
        status, answer = _ask(address, root, identity, "PUT", "/customers", customers, {"List-Salt": salt.hex()})
        if status not in (201, 409):
            raise ListRefused(f"our list was refused ({status}): {answer.decode(errors='replace').strip()}")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            status, common = _ask(address, root, identity, "GET", "/common")
            if status == 200:
                break
            if status not in (409, 503) or time.monotonic() > deadline:
                raise Unreachable(f"no result ({status}): {common.decode(errors='replace').strip()}")
            time.sleep(0.2)
        status, receipt = _ask(address, root, identity, "GET", "/receipt")
    except ssl.SSLCertVerificationError as cause:
        raise Refused(
            f"{address}: its certificate does not lead to the verified root ({cause.verify_message}); nothing was sent"
        ) from cause
    except NotAMarble as cause:
        raise Refused(f"{address}: {cause.message}; nothing was sent") from cause
    except (OSError, HTTPException) as cause:
        hint = "if the service is up: does our certificate stand in the manifest?"
        raise Unreachable(f"{address}: {cause}\n  hint: {hint}") from cause
    if status != 200:
        raise Refused(f"no receipt ({status}): {receipt.decode(errors='replace').strip()}")
    signed = verify_receipt(receipt, root, now)
    _expect(signed, f"lists.{company}.commitment", hashlib.sha256(salt + customers).hexdigest())
    _expect(signed, "common.sha256", hashlib.sha256(common).hexdigest())
    sizes = {name: part["customers"] for name, part in signed["lists"].items()}
    return Result(tuple(common.decode().splitlines()), signed["receipt"], sizes)


def verify_receipt(receipt: bytes, root: x509.Certificate, now: datetime) -> dict[str, Any]:
    """What a receipt says, once its signature leads to the verified root.  Raises Refused."""
    try:
        read = json.loads(receipt)
        text, signature, chain = read["signed"], base64.b64decode(read["signature"], validate=True), read["chain"]
        signer, *above = certificates.load_pem_chain(chain.encode())
        verify_path(signer, above, [root], now=now)
        key = signer.public_key()
        if signer.subject != certificates.common_name(RECEIPT_NAME) or not isinstance(key, ec.EllipticCurvePublicKey):
            raise Refused(f"receipt: expected the signer '{RECEIPT_NAME}', got '{signer.subject.rfc4514_string()}'")
        key.verify(signature, text.encode(), ec.ECDSA(hashes.SHA256()))
        signed: dict[str, Any] = json.loads(text)
    except (KeyError, TypeError, AttributeError, ValueError, ChainInvalid) as cause:
        raise Refused(f"receipt: {cause}") from cause
    except InvalidSignature as cause:
        raise Refused("receipt: its signature does not fit its text") from cause
    return signed


def load_root(path: Path) -> x509.Certificate:
    """The self-issued certificate of a PEM file (the intermediate, if it is there too, is not what we trust)."""
    roots = [c for c in certificates.load_pem_chain(path.read_bytes()) if c.issuer == c.subject]
    if len(roots) != 1:
        raise Refused(f"{path}: expected one root certificate, got {len(roots)}")
    return roots[0]


def main(arguments: list[str]) -> int:
    """The command `python -m examples.common_customers.company`."""
    parser = argparse.ArgumentParser(prog="company", description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("keys", help="make a key and a certificate for the manifest")
    making.add_argument("folder", type=Path)
    making.add_argument("name", choices=("alice", "bob"))
    taking = verbs.add_parser("take-part", help="send a list, get the common customers")
    taking.add_argument("address", metavar="HOST:PORT")
    taking.add_argument("--root", type=Path, required=True, help="verified root certificate, PEM")
    taking.add_argument("--identity", type=Path, required=True, help="FOLDER/NAME, as `keys` made it")
    taking.add_argument("--out", type=Path, help="where to write the common e-mail addresses")
    taking.add_argument("customers", type=Path, metavar="LIST.csv")
    chosen = parser.parse_args(arguments)
    now = datetime.now(UTC)  # noqa: TID251 - shell: reads the clock
    try:
        if chosen.verb == "keys":
            path = make_keys(chosen.folder, chosen.name, now)
            print(f"{path}: paste it into the manifest; {chosen.name}.key.pem beside it never leaves this machine")
            return 0
        root = load_root(chosen.root)
        result = take_part(chosen.address, root, chosen.identity, chosen.customers.read_bytes(), now)
    except Refused as refused:
        print(f"company: {refused}", file=sys.stderr)
        return refused.exit_code
    if chosen.out:
        chosen.out.write_text("".join(f"{email}\n" for email in result.common), encoding="utf-8")
    sizes = ", ".join(f"{name} {size}" for name, size in sorted(result.sizes.items()))
    print(f"{len(result.common)} common customers (lists: {sizes}); receipt {result.number} verified")
    return 0


def _ask(
    address: str,
    root: x509.Certificate,
    identity: Path,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """One request; it leaves only after the server's certificate has proved deployment and marble type."""
    context = ssl.create_default_context(cadata=certificates.pem(root).decode())
    context.load_cert_chain(
        identity.with_name(f"{identity.name}.certificate.pem"), identity.with_name(f"{identity.name}.key.pem")
    )
    host, _, port = address.rpartition(":")
    connection = HTTPSConnection(host, int(port), context=context, timeout=30)
    try:
        connection.connect()
        shown = Identity.peer_marble_type(connection.sock.getpeercert(binary_form=True))
        if shown != SERVER_TYPE:
            raise Refused(f"{address}: expected the marble {SERVER_TYPE!r}, got {shown!r}; nothing was sent")
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _salt(private_key: bytes, customers: bytes) -> bytes:
    """32 bytes that only we can make, the same for the same list: no state to keep between tries."""
    digest = hashlib.sha256(customers).digest()
    return HKDF(hashes.SHA256(), 32, salt=digest, info=b"common customers: list salt").derive(private_key)


def _expect(signed: Mapping[str, Any], field: str, expected: str) -> None:
    found: Any = signed
    for name in field.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if found != expected:
        raise Refused(f"receipt: {field}: expected {expected}, got {found}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
