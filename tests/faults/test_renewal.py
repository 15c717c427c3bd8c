"""A TLS server that knows nothing of us serves past the end of its certificate: real processes, real sockets.

The coordinator's clock is behind by most of the shortest lifetime, so that for all others its certificates end soon.
"""

import asyncio
import json
import os
import ssl
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.simulation.measure import measure_program
from tests.compat.test_rest_contract import curl
from tests.faults.clients import ask
from tests.support.coordinator_process import CoordinatorProcess
from tests.support.people import Person, person
from tests.support.ports import free_ports
from tests.support.updatable import v2

Begin = Callable[..., CoordinatorProcess]
LIFETIME_SECONDS = 600
SERVER = """\
import signal, socket, ssl, sys
folder, port = sys.argv[1], int(sys.argv[2])

def load(*_):
    global context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + "/tls.crt", folder + "/tls.key")

load()
signal.signal(signal.SIGHUP, load)
listening = socket.create_server(("127.0.0.1", port))
while True:
    connection, _ = listening.accept()
    try:
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.sendall(b"hello")
    except OSError:
        pass
"""


class Deployed:
    """A coordinator, and one marble that serves with its certificate."""

    def __init__(self, folder: Path, begin: Begin) -> None:
        self.folder, self.begin = folder, begin
        (self.port,) = free_ports(1)
        self.program = folder / "server.py"
        self.program.write_text(SERVER)
        self.alice: Person = person(folder, "alice")
        self.command = [sys.executable, str(self.program), str(folder / "run"), str(self.port)]
        self.log = folder / "marble.log"
        self.marble: Process | None = None
        self._root = ""

    def serve(self, *, left: float = LIFETIME_SECONDS, at: CoordinatorProcess | None = None) -> None:
        """left: seconds until the end of what the coordinator gives, by our clock."""
        self.coordinator = self.begin(self.folder / "dev", at=at, late_seconds=LIFETIME_SECONDS - left)

    def manifest(self, web: Mapping[str, Any] = MappingProxyType({}), **marbles: Any) -> bytes:
        """web: over its marble.  marbles: further ones."""
        chain = "{{ pem .MarbleRun.MarbleCert.Cert }}{{ pem .MarbleRun.CoordinatorIntermediate.Cert }}"
        files = {
            str(self.folder / "run/tls.crt"): chain,
            str(self.folder / "run/tls.key"): "{{ pem .MarbleRun.MarbleCert.Private }}",
        }
        usual = {
            "Package": "p",
            "MaxActivations": 2,
            "CertificateLifetime": "10m",
            "RenewalSignal": "SIGHUP",
            "RequireFreshEvidence": True,
            "Parameters": {"Files": files},
        }
        document = {
            "Packages": {"p": {"TDX": {"MRTD": measure_program(self.command).mrtd.hex()}}},
            "Marbles": {"web": usual | dict(web), **marbles},
            "Users": {"alice": self.alice.entry("updater")},
            "Roles": {"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
        }
        return json.dumps(document).encode()

    async def start(self, **web: Any) -> None:
        """The launcher, which becomes the server."""
        assert 200 == ask(self.coordinator.client_address, "/manifest", self.manifest(web))[0]
        environ = {
            **os.environ,
            "EDG_MARBLE_TYPE": "web",
            "EDG_MARBLE_COORDINATOR_ADDR": self.coordinator.mesh_address,
            "EDG_MARBLE_UUID_FILE": str(self.folder / "uuid"),
            "ENCLASP_SIMULATION": str(self.coordinator.folder / "simulation"),
            "ENCLASP_COORDINATOR_REFERENCE": str(self.coordinator.reference),
            "ENCLASP_COORDINATOR_TRUST": str(self.coordinator.trust),
            "ENCLASP_COORDINATOR_COLLATERAL": str(self.coordinator.collateral),
        }
        with self.log.open("wb") as log:
            self.marble = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "marble", "--", *self.command, env=environ, stdin=DEVNULL, stderr=log
            )

    async def said(self, what: str, times: int = 1) -> None:
        """Wait until the marble has said it so often."""
        async with asyncio.timeout(60):
            while self.log.read_text().count(what) < times:
                assert self.marble is not None and self.marble.returncode is None, self.log.read_text()  # noqa: PT018
                await asyncio.sleep(0.1)

    async def shown(self) -> x509.Certificate:
        """The certificate of a new connection, which a client has verified up to the root, dates included."""
        context = ssl.create_default_context(cadata=self.root())
        async with asyncio.timeout(20):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("localhost", self.port, ssl=context)
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.1)
            assert b"hello" == await reader.read()
            found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.close()
        return x509.load_der_x509_certificate(found)

    def root(self) -> str:
        """The root certificate, PEM; the same key and name through updates."""
        if not self._root:
            chain = self.data("/quote")["Cert"].encode()
            self._root = x509.load_pem_x509_certificates(chain)[-1].public_bytes(Encoding.PEM).decode()
        return self._root

    def data(self, path: str) -> Any:
        answer = curl(self.coordinator.client_address, path)
        assert 200 == answer.status, answer.body
        return answer.json()["data"]


@pytest.fixture
async def deployed(tmp_path: Path, begin: Begin) -> AsyncIterator[Deployed]:
    it = Deployed(tmp_path, begin)
    yield it
    if it.marble is not None and it.marble.returncode is None:
        it.marble.kill()
        await it.marble.wait()


def end_of(certificate: x509.Certificate) -> float:
    return certificate.not_valid_after_utc.timestamp()


async def test_a_server_serves_past_the_end_of_its_certificate_and_moves_with_an_update(deployed: Deployed) -> None:
    deployed.serve(left=24)
    await deployed.start()
    first = await deployed.shown()
    assert end_of(first) - time.time() <= 24
    while time.time() <= end_of(first):
        await deployed.shown()
        await asyncio.sleep(0.5)
    second = await deployed.shown()
    assert first.public_key() != second.public_key()
    assert first.issuer == second.issuer

    deployed.coordinator.kill()  # away when it is time
    await deployed.said("the certificates are not renewed yet: UNAVAILABLE: connection refused")
    renewals = deployed.log.read_text().count("renewed until")
    deployed.serve(left=24, at=deployed.coordinator)
    updated = v2(deployed.manifest(new={"Package": "p"}))
    answer = curl(deployed.coordinator.client_address, "/api/v2/update", *deployed.alice.curl, body=updated)
    assert 200 == answer.status, answer.body
    await deployed.said("renewed until", renewals + 1)
    async with asyncio.timeout(60):
        while deployed.data("/api/v2/hierarchy")["cutOff"]:
            await asyncio.sleep(0.2)
    (in_force,) = deployed.data("/api/v2/hierarchy")["intermediates"]
    assert ([1], 2) == ([marble["count"] for marble in in_force["marbles"]], in_force["number"])
    await deployed.shown()

    (one,) = deployed.data("/api/v2/marbles")["instances"]
    assert one["activated"] < one["renewed"] < one["certificateUntil"]
    assert deployed.marble is not None
    assert deployed.marble.returncode is None
    assert 1 == deployed.coordinator.log.count('"marble activated"')


async def test_a_certificate_that_ended_while_nobody_could_renew_it_is_replaced_by_a_new_start_of_the_marble_alone(
    deployed: Deployed,
) -> None:
    deployed.serve(left=8)
    await deployed.start()
    await deployed.shown()
    deployed.coordinator.kill()
    await deployed.said("the certificates are not renewed yet")
    last = x509.load_pem_x509_certificate((deployed.folder / "run/tls.crt").read_bytes())
    await asyncio.sleep(max(0.0, end_of(last) + 1 - time.time()))
    deployed.serve(at=deployed.coordinator)
    await deployed.said("joining anew, which counts as an activation")
    await deployed.said("renewed until")
    async with asyncio.timeout(20):
        while not await _serves_for_long(deployed):
            await asyncio.sleep(0.1)
    assert deployed.marble is not None
    assert deployed.marble.returncode is None
    assert 2 == deployed.coordinator.log.count('"marble activated"')
    assert '"code": "A226"' in deployed.coordinator.log


async def _serves_for_long(deployed: Deployed) -> bool:
    try:
        return end_of(await deployed.shown()) - time.time() > LIFETIME_SECONDS / 2
    except ssl.SSLCertVerificationError:  # it has ended, and the program was not told yet
        return False


async def test_a_program_whose_certificate_is_in_variables_only_is_told_so_at_its_start(deployed: Deployed) -> None:
    deployed.serve()
    deployed.command = ["sh", "-c", "echo started", str(deployed.program)]
    await deployed.start(Parameters={})
    assert deployed.marble is not None
    assert 0 == await deployed.marble.wait()
    assert "its certificate ends at " in deployed.log.read_text()
    assert "stands in no file: start the program anew before" in deployed.log.read_text()
