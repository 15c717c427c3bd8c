"""The service that signs and keeps a receipt of every run.  Runs as the marble `receipts`.

It talks to marbles of type `intersection` only, which the mesh certificate of the caller proves.  The signing key is
a certificate secret of the manifest, so a company checks a receipt against the one root certificate.  Receipts are
kept in a folder of the host, sealed under a symmetric secret of the manifest: the host can lose them, not read or
change them, and an instance that is started anew, on any host, reads what its predecessor wrote.
"""

import base64
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from marble.mesh import Identity, NotAMarble

CALLER: Final = "intersection"
MAX_STATEMENT: Final = 4096


class StatementRefused(ValueError):
    """What was sent is not the statement of a run."""


class StoreDamaged(Exception):
    """A stored receipt is not what this deployment wrote."""


def parse_statement(raw: bytes) -> dict[str, Any]:
    """The statement of a run, of exactly the shape below; a signature never covers what was not understood.

    Shape: {"lists": {COMPANY: {"customers": int, "commitment": 64 hex}, …},
            "common": {"customers": int, "sha256": 64 hex}}
    Raises StatementRefused.
    """
    if len(raw) > MAX_STATEMENT:
        raise StatementRefused(f"statement: expected at most {MAX_STATEMENT} bytes, got {len(raw)}")
    try:
        read: dict[str, Any] = json.loads(raw)
    except (ValueError, RecursionError) as bad:
        raise StatementRefused("statement: expected JSON") from bad
    lists = read.get("lists") if isinstance(read, dict) else None
    if not isinstance(lists, dict) or set(read) != {"lists", "common"} or len(lists) != 2:
        raise StatementRefused("statement: expected an object with two `lists` and `common`")
    for where, part, digest in (
        *((f"lists.{name}", part, "commitment") for name, part in lists.items()),
        ("common", read["common"], "sha256"),
    ):
        if not isinstance(part, dict) or set(part) != {"customers", digest}:
            raise StatementRefused(f"statement, {where}: expected exactly customers and {digest}")
        count, text = part["customers"], part[digest]
        if type(count) is not int or count < 0 or not isinstance(text, str) or not _HEX32.fullmatch(text):
            raise StatementRefused(f"statement, {where}: expected a count and 64 hex digits")
    return read


@dataclass(frozen=True, slots=True)
class Notary:
    """Signs statements.  chain: PEM of the receipt certificate and the intermediate that issued it."""

    key: ec.EllipticCurvePrivateKey
    chain: str

    def receipt(self, statement: Mapping[str, Any], number: int, now: datetime) -> bytes:
        """A receipt as JSON: the signed text, its ECDSA signature over SHA-256 (base64), and the chain."""
        signed = json.dumps({**statement, "receipt": number, "at": now.isoformat(timespec="seconds")}, sort_keys=True)
        signature = self.key.sign(signed.encode(), ec.ECDSA(SHA256()))
        return json.dumps(
            {"signed": signed, "signature": base64.b64encode(signature).decode(), "chain": self.chain}
        ).encode()


@dataclass(frozen=True, slots=True)
class Store:
    """Receipts in a folder, each sealed with AES-256-GCM; the file's name is bound, so none can stand for another."""

    folder: Path
    key: bytes

    def numbers(self) -> tuple[int, ...]:
        """Numbers of the receipts that are there, in order."""
        return tuple(sorted(int(m[1]) for path in self.folder.iterdir() if (m := _NAME.fullmatch(path.name))))

    def keep(self, number: int, receipt: bytes, nonce: bytes) -> None:
        """Write one receipt durably; a number is never written twice.  nonce: 12 fresh random bytes."""
        name = f"receipt-{number:06d}.sealed"
        sealed = nonce + AESGCM(self.key).encrypt(nonce, receipt, name.encode())
        with open(self.folder / name, "xb", opener=_private) as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())

    def read(self, number: int) -> bytes:
        """One receipt.  Raises StoreDamaged if the file is not what a holder of the key wrote under this number."""
        name = f"receipt-{number:06d}.sealed"
        sealed = (self.folder / name).read_bytes()
        try:
            return AESGCM(self.key).decrypt(sealed[:12], sealed[12:], name.encode())
        except (InvalidTag, ValueError) as bad:
            raise StoreDamaged(f"{name}: expected a receipt sealed by this deployment, got other bytes") from bad


@dataclass(frozen=True, slots=True)
class Desk:
    """The gRPC method `Record`: who asks, is it a run, sign it, keep it, answer."""

    notary: Notary
    store: Store
    now: Callable[[], datetime]
    draw: Callable[[int], bytes]
    turn: threading.Lock = field(default_factory=threading.Lock)

    def record(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """One receipt for one run."""
        try:
            caller = Identity.grpc_peer_marble_type(context)
        except NotAMarble as refused:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, refused.message)
        if caller != CALLER:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"expected a marble {CALLER!r}, got {caller!r}")
        try:
            statement = parse_statement(request)
        except StatementRefused as refused:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(refused))
        with self.turn:
            number = max(self.store.numbers(), default=0) + 1
            receipt = self.notary.receipt(statement, number, self.now())
            self.store.keep(number, receipt, self.draw(12))
        print(f"receipts: receipt {number} signed and kept", flush=True)
        return receipt


def main(environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM.  environ: what the coordinator and the launcher gave us."""
    identity, address = Identity.from_environ(environ), _setting(environ, "RECEIPTS_ADDRESS")
    key = load_pem_private_key(_setting(environ, "RECEIPT_KEY").encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SystemExit("receipts: RECEIPT_KEY: expected an EC key, as the manifest's secret receiptKey says")
    folder = Path(_setting(environ, "RECEIPTS_FOLDER"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _, intermediate = x509.load_pem_x509_certificates(environ["MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"].encode())
    chain = _setting(environ, "RECEIPT_CERTIFICATE") + intermediate.public_bytes(Encoding.PEM).decode()
    store = Store(folder, bytes.fromhex(_setting(environ, "STORE_KEY")))
    desk = Desk(
        Notary(key, chain),
        store,
        now=lambda: datetime.now(UTC),  # noqa: TID251 - shell: reads the clock
        draw=os.urandom,  # noqa: TID251 - shell: draws the nonce of a sealed file
    )
    try:
        for number in store.numbers():
            store.read(number)
    except StoreDamaged as damaged:
        raise SystemExit(f"receipts: {damaged}") from damaged
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 2 * MAX_STATEMENT)])
    methods = {"Record": grpc.unary_unary_rpc_method_handler(desk.record)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("common_customers.Receipts", methods),))
    server.add_secure_port(address, identity.grpc_server_credentials())
    server.start()
    print(f"receipts: serving marbles {CALLER!r} at {address}, {len(store.numbers())} receipts kept", flush=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()
    server.stop(1).wait()
    return 0


def _setting(environ: Mapping[str, str], name: str) -> str:
    if not (value := environ.get(name)):
        raise SystemExit(f"receipts: expected the variable {name}, got none; manifest.yaml or README.md sets it")
    return value


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


_HEX32 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"receipt-(\d{6})\.sealed")

if __name__ == "__main__":
    sys.exit(main(os.environ))
