"""The service that both companies talk to: takes two customer lists, gives back what they have in common.

Runs as the marble `intersection`.  Whatever the host says (addresses, files, environment) is not trusted; who may
upload and read stands in the manifest, as the companies' certificates.  A list is taken once: a second try would let
a company guess the other's customers, and `MaxActivations: 1` keeps the operator from starting over.
Lists live in memory only.  Without a signed receipt of the run there is no result.

    PUT /customers    body: CSV with the header email,name; header List-Salt: 64 hex digits   -> 201
    GET /common       the common e-mail addresses, one a line, sorted                         -> 200, or 409 so far
    GET /receipt      JSON, as the marble `receipts` made it                                  -> 200, or 409 so far
"""

import asyncio
import csv
import hashlib
import io
import json
import os
import re
import signal
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc.aio
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from marble.mesh import Identity

COMPANIES = ("alice", "bob")
MAX_BODY = 32 * 1024 * 1024
MAX_ROWS = 500_000
RECORD = "/common_customers.Receipts/Record"


class ListRefused(ValueError):
    """An upload that is no customer list.  The text names the line, never its content."""


@dataclass(frozen=True, slots=True)
class CustomerList:
    """emails: normalised.  commitment: hex of SHA-256(salt || body), so a receipt names the list without showing it."""

    emails: frozenset[str]
    commitment: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """common: the body that both companies get.  receipt: the JSON that proves the run."""

    common: bytes
    receipt: bytes


def parse_customers(body: bytes, salt: bytes) -> CustomerList:
    """CSV to addresses: UTF-8, the header `email,name`, two columns, at most MAX_ROWS rows.

    An address is compared without surrounding blanks and without letter case.  Raises ListRefused.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise ListRefused(f"customer list: expected UTF-8, got another byte at offset {bad.start}") from bad
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    emails = set[str]()
    try:
        if (header := next(rows, [])) != ["email", "name"]:
            raise ListRefused(f"customer list, line 1: expected the header email,name, got {len(header)} other columns")
        for number, row in enumerate(rows, 1):
            if number > MAX_ROWS:
                raise ListRefused(f"customer list: expected at most {MAX_ROWS} rows, got more")
            if len(row) != 2:
                raise ListRefused(f"customer list, line {rows.line_num}: expected 2 columns, got {len(row)}")
            email = row[0].strip().lower()
            if not _EMAIL.fullmatch(email):
                raise ListRefused(f"customer list, line {rows.line_num}: expected an e-mail address in column 1")
            emails.add(email)
    except csv.Error as bad:
        raise ListRefused(f"customer list, line {rows.line_num}: expected CSV as RFC 4180 has it ({bad})") from bad
    return CustomerList(frozenset(emails), hashlib.sha256(salt + body).hexdigest())


def intersect(lists: Mapping[str, CustomerList]) -> bytes:
    """The addresses that are in every list, sorted, one a line."""
    common = frozenset.intersection(*(chosen.emails for chosen in lists.values()))
    return "".join(f"{email}\n" for email in sorted(common)).encode()


def statement(lists: Mapping[str, CustomerList], common: bytes) -> bytes:
    """What the receipts service is asked to sign: sizes, and commitments that show nothing of the lists."""
    return json.dumps(
        {
            "lists": {
                company: {"customers": len(chosen.emails), "commitment": chosen.commitment}
                for company, chosen in sorted(lists.items())
            },
            "common": {"customers": common.count(b"\n"), "sha256": hashlib.sha256(common).hexdigest()},
        },
        sort_keys=True,
    ).encode()


@dataclass(slots=True)
class Meeting:
    """One run: who has brought a list, and what came out."""

    record: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
    lists: dict[str, CustomerList] = field(default_factory=dict)
    outcome: Outcome | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def bring(self, company: str, brought: CustomerList) -> None:
        """Take a company's list.  Raises AlreadyBrought for a second one."""
        if company in self.lists:
            raise AlreadyBrought(company)
        self.lists[company] = brought

    async def result(self) -> Outcome:
        """The outcome, once and the same for both.  Raises Waiting as long as a list is missing.

        Raises grpc.aio.AioRpcError if the receipts service does not answer; the next call tries again.
        """
        if missing := [company for company in COMPANIES if company not in self.lists]:
            raise Waiting(missing)
        async with self.turn:
            if self.outcome is None:
                common = await asyncio.to_thread(intersect, self.lists)
                receipt = await self.record(statement(self.lists, common), timeout=10)
                self.outcome = Outcome(common, receipt)
            return self.outcome


class AlreadyBrought(Exception):
    """A company has brought its list already; a list is taken once."""


class Waiting(Exception):
    """A list is missing; the argument names whose."""


@dataclass(frozen=True, slots=True)
class Door:
    """HTTP in front of a Meeting.  certificates: DER of each company's certificate, from the manifest."""

    certificates: Mapping[bytes, str]
    meeting: Meeting

    def application(self) -> web.Application:
        """The three routes, with a bound on every body."""
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_put("/customers", self.put_customers)
        application.router.add_get("/common", self.get_common)
        application.router.add_get("/receipt", self.get_receipt)
        return application

    async def put_customers(self, request: web.Request) -> web.Response:
        """Take the caller's list, once."""
        company = self._company(request)
        if company in self.meeting.lists:
            return _refuse(409, f"list of {company}: it is here already, and a run takes one list from each")
        salt = request.headers.get("List-Salt", "")
        if not _SALT.fullmatch(salt):
            return _refuse(400, "header List-Salt: expected 64 hex digits")
        try:
            brought = await asyncio.to_thread(parse_customers, await request.read(), bytes.fromhex(salt))
            self.meeting.bring(company, brought)
        except ListRefused as refused:
            return _refuse(400, str(refused))
        except AlreadyBrought:
            return _refuse(409, f"list of {company}: it is here already, and a run takes one list from each")
        return web.json_response({"company": company, "customers": len(brought.emails)}, status=201)

    async def get_common(self, request: web.Request) -> web.Response:
        """The common addresses."""
        self._company(request)
        outcome = await self._outcome()
        return web.Response(body=outcome.common, content_type="text/plain", charset="utf-8")

    async def get_receipt(self, request: web.Request) -> web.Response:
        """The receipt of the run."""
        self._company(request)
        outcome = await self._outcome()
        return web.Response(body=outcome.receipt, content_type="application/json")

    def _company(self, request: web.Request) -> str:
        """Who asks, by the leaf certificate whose key the TLS handshake proved."""
        transport = request.transport
        session: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport else None
        leaf = session.getpeercert(binary_form=True) if session else None
        company = self.certificates.get(leaf) if leaf else None
        if company is None:
            raise web.HTTPForbidden(text="this certificate belongs to none of the companies in the manifest\n")
        return company

    async def _outcome(self) -> Outcome:
        try:
            return await self.meeting.result()
        except Waiting as waiting:
            raise web.HTTPConflict(text=f"no result yet: no list from {', '.join(waiting.args[0])}\n") from waiting
        except grpc.aio.AioRpcError as failed:
            print(f"intersection: receipts service: {failed.code().name} {failed.details()}", file=sys.stderr)
            raise web.HTTPServiceUnavailable(text="no receipt, so no result; ask again\n") from failed


async def serve(environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM.  environ: what the coordinator and the launcher gave us."""
    identity = Identity.from_environ(environ)
    receipts, address = _setting(environ, "RECEIPTS_ADDRESS"), _setting(environ, "INTERSECTION_ADDRESS")
    named = {_certificate(environ, company): company for company in COMPANIES}
    context = identity.server_context()
    context.load_verify_locations(cadata="".join(ssl.DER_cert_to_PEM_cert(certificate) for certificate in named))
    async with grpc.aio.secure_channel(receipts, identity.grpc_channel_credentials()) as channel:
        runner = web.AppRunner(Door(named, Meeting(channel.unary_unary(RECORD, None, None))).application())
        await runner.setup()
        host, _, port = address.rpartition(":")
        await web.TCPSite(runner, host, int(port), ssl_context=context).start()
        print(f"intersection: serving both companies at https://{address}", flush=True)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        await runner.cleanup()


def _setting(environ: Mapping[str, str], name: str) -> str:
    if not (value := environ.get(name)):
        raise SystemExit(f"intersection: expected the variable {name}, got none; manifest.yaml or README.md sets it")
    return value


def _certificate(environ: Mapping[str, str], company: str) -> bytes:
    """DER of a company's certificate, as the manifest has it."""
    name = f"{company.upper()}_CERTIFICATE"
    try:
        return x509.load_pem_x509_certificate(_setting(environ, name).encode()).public_bytes(Encoding.DER)
    except ValueError as bad:
        raise SystemExit(f"intersection: {name}: expected {company}'s certificate, pasted into the manifest") from bad


def _refuse(status: int, reason: str) -> web.Response:
    return web.Response(status=status, text=f"{reason}\n")


_EMAIL = re.compile(r"[^@\s,]{1,64}@[^@\s,]{1,255}")
_SALT = re.compile(r"[0-9a-f]{64}")

if __name__ == "__main__":
    asyncio.run(serve(os.environ))
