"""A coordinator as a user runs it against the model: a process, REST and gRPC, killed between and during requests."""

import asyncio
import base64
import hashlib
import http.client
import json
import re
import shutil
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test
from OpenSSL import SSL

from attestation.kinds import Kind
from attestation.simulation.folder import SEALING_FILE, create
from attestation.simulation.measure import measure_program
from coordinator.recovery.gathering import Submission
from coordinator.recovery.statement import WaitingState
from coordinator.wire.recovery import state_document
from tests.faults.deployment_machine import (
    CRASH,
    FIRST,
    Cast,
    Denied,
    DeploymentMachine,
    Question,
    Unknown,
    bounded,
)
from tests.support import marble_client
from tests.support.another_machine import another_machine
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.owners import b64
from tests.support.updatable import v2

T = TypeVar("T")
Shown = tuple[Path, Path]
"""A client certificate and its key, PEM."""
RECOVERED = "state recovered"


@dataclass(frozen=True)
class Place:
    """folder: of the coordinator.  sealing: files of machine 0 and machine 1.  program: what marbles run."""

    folder: Path
    sealing: tuple[Path, Path]
    program: Path


class OverSockets:
    """A client that has nothing but the addresses of the doors, and can cut the power."""

    def __init__(self, place: Place, cast: Cast, running: CoordinatorProcess) -> None:
        self._place, self._cast, self._running = place, cast, running
        self._marble: Shown | None = None
        self.fuse: float | None = None

    def kill(self) -> None:
        self._running.kill()

    async def set_manifest(self, raw: bytes) -> Mapping[str, bytes]:
        data = await self._ask("POST", "/api/v2/manifest", v2(raw))
        return _envelopes(data["RecoverySecrets"])

    async def update(self, who: str, raw: bytes) -> Mapping[str, bytes]:
        return await self._approve("/api/v2/update", who, raw)

    async def acknowledge(self, who: str, raw: bytes) -> Mapping[str, bytes]:
        return await self._approve("/api/v2/update-manifest", who, raw)

    async def _approve(self, path: str, who: str, raw: bytes) -> Mapping[str, bytes]:
        return _envelopes((await self._ask("POST", path, v2(raw), self._shows(who))).get("recoverySecrets", {}))

    async def cancel(self, who: str) -> None:
        await self._ask("POST", "/api/v2/update-cancel", b"", self._shows(who))

    async def activate(self) -> None:
        quote = marble_client.simulated(self._running.folder, Kind.TDX, self._place.program)
        join = marble_client.prepare(quote, "web")
        env = await self._beside(lambda: _joined(self._running.mesh_address, join))
        folder = self._place.folder
        self._marble = folder / "marble.pem", folder / "marble.key"
        for file, name in zip(self._marble, ("MARBLE_CERTIFICATE_CHAIN", "PRIVATE_KEY"), strict=True):
            file.write_bytes(env[f"MARBLE_PREDEFINED_{name}"])

    @property
    def has_marble(self) -> bool:
        return self._marble is not None

    async def raise_counter(self, name: str, value: int) -> int:
        body = json.dumps({"name": name, "value": value}).encode()
        return int((await self._ask("POST", "/api/v2/monotonic-counter", body, self._marble))["value"])

    async def write_secret(self, who: str, value: bytes) -> None:
        await self._ask("POST", "/secrets", json.dumps({"token": {"Key": b64(value)}}).encode(), self._shows(who))

    async def submit(self, given: Submission) -> int:
        document = {"recoverySecret": b64(given.share), "recoverySecretSignature": b64(given.signature)}
        more = {} if given.state is None else {"state": state_document(given.state)}
        return int((await self._ask("POST", "/api/v2/recover", json.dumps(document | more).encode()))["remaining"])

    async def waiting_state(self) -> WaitingState:
        state = (await self._ask("GET", "/api/v2/recovery"))["state"]
        return WaitingState(bytes.fromhex(state["journal"]), state["sequence"], bytes.fromhex(state["link"]))

    async def root(self) -> int:
        shown = x509.load_pem_x509_certificates((await self._ask("GET", "/quote"))["Cert"].encode())[1].public_key()
        assert isinstance(shown, ec.EllipticCurvePublicKey)
        return shown.public_numbers().x

    async def observe(self) -> Mapping[str, Any]:
        phase = (await self._ask("GET", "/api/v2/status"))["code"]
        if phase == 1:
            return {"waiting": True, "given": await self._given()}
        return {"steps": 0} if phase == 2 else await self._seen()

    async def _given(self) -> tuple[str, ...]:
        try:
            owners = (await self._ask("GET", "/api/v2/recovery"))["owners"]
        except Denied:  # the state that waits names none
            return ()
        return tuple(sorted(owner["name"] for owner in owners if owner["given"]))

    async def _seen(self) -> Mapping[str, Any]:
        secrets = await self._ask("GET", "/api/v2/secrets?s=token", None, self._shows("alice"))
        return {
            "waiting": False,
            "root": await self.root(),
            "secret": base64.b64decode(secrets["secrets"]["token"]["Public"] or ""),
            "steps": len((await self._ask("GET", "/api/v2/history"))["history"]),
            "recoveries": sum(RECOVERED in entry for entry in (await self._ask("GET", "/api/v2/update"))["updateLog"]),
            "fingerprint": (await self._ask("GET", "/api/v2/manifest"))["manifestFingerprint"],
            **await self._pending(),
        }

    async def _pending(self) -> Mapping[str, Any]:
        try:
            pending = await self._ask("GET", "/api/v2/update-manifest")
        except Denied:
            return {"pending": "", "approved": ()}
        digest = hashlib.sha256(base64.b64decode(pending["manifest"])).hexdigest()
        return {"pending": digest, "approved": tuple(sorted(self._cast.users.keys() - set(pending["missingUsers"])))}

    async def stop(self) -> None:
        if self._running.process.poll() is None:
            assert 0 == await asyncio.to_thread(self._running.stop), self._running.log

    def _shows(self, who: str) -> Shown:
        return self._cast.users[who].certificate, self._cast.users[who].key

    async def _ask(self, method: str, path: str, body: bytes | None = None, shown: Shown | None = None) -> Any:
        return await self._beside(lambda: _answer(self._running.client_address, method, path, body, shown))

    async def _beside(self, work: Callable[[], T]) -> T:
        """In a thread; with a lit fuse the power is cut while it is under way, or at least after it."""
        if self.fuse is not None:
            asyncio.get_running_loop().call_later(self.fuse, self._running.process.kill)
        return await asyncio.to_thread(work)


def _answer(address: str, method: str, path: str, body: bytes | None, shown: Shown | None) -> Any:
    """`data` of the answer.  Raises Denied, Unknown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if shown is not None:
        context.load_cert_chain(*shown)
    connection = http.client.HTTPSConnection(address, context=context, timeout=60)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        said = json.loads(response.read())
    except (OSError, http.client.HTTPException) as cut:
        raise Unknown(repr(cut)) from cut
    finally:
        connection.close()
    if response.status == 200:
        return said["data"]
    message = said.get("message", "")
    if response.status == 503:
        raise Unknown(message)
    assert re.match("[A-Z][0-9]{3} ", message), f"{method} {path}: {response.status} {message}"
    raise Denied(message)


def _joined(address: str, join: marble_client.Join) -> Mapping[str, bytes]:
    """What an admitted marble is given.  Raises Denied, Unknown."""
    try:
        return dict(marble_client.send(address, join, timeout=60).Parameters.Env)
    except (OSError, SSL.Error) as cut:
        raise Unknown(repr(cut)) from cut
    except grpc.RpcError as error:
        if not isinstance(error, grpc.Call):
            raise
        text = f"{error.code()} {error.details()}"
        if error.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.FAILED_PRECONDITION):
            raise Denied(text) from error
        raise Unknown(text) from error


def _envelopes(secrets: Mapping[str, str]) -> Mapping[str, bytes]:
    return {name: base64.b64decode(sealed) for name, sealed in secrets.items()}


class MachineOverSockets(DeploymentMachine):
    """A process that can be killed at any moment."""

    place: ClassVar[Place]
    client: OverSockets

    @initialize(number=FIRST)
    def start(self, number: int) -> None:
        shutil.rmtree(self.place.folder / "state", ignore_errors=True)
        self.begin(number)

    def teardown(self) -> None:
        if hasattr(self, "client"):
            self.client.kill()
        super().teardown()

    def open(self, machine: int) -> OverSockets:
        shutil.copy(self.place.sealing[machine], self.place.folder / "simulation" / "sealing.private.json")
        return OverSockets(self.place, self.cast, start(self.place.folder))

    def ask(self, *questions: Question) -> None:
        super().ask(*questions)
        if self.client.fuse is not None:
            self.kill()

    @rule()
    def kill(self) -> None:
        """Between requests; or after one which was faster than the fuse."""
        self.client.kill()
        self.crashed = True
        self.happened[CRASH] += 1

    @rule(milliseconds=st.integers(0, 30))
    def light_a_fuse(self, milliseconds: int) -> None:
        """The power fails so long after the next question was sent, or when it is answered."""
        self.client.fuse = milliseconds / 1000


def run(chosen: settings) -> Counter[str]:
    """Drive it; how often happened what."""
    MachineOverSockets.happened = Counter()
    with TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "program.py"
        program.write_text("print('the agreed program')\n")
        simulation = folder / "dev" / "simulation"
        create(simulation)
        other = another_machine(simulation, folder / "other")
        MachineOverSockets.place = Place(folder / "dev", (folder / "first.json", other / SEALING_FILE), program)
        shutil.copy(simulation / SEALING_FILE, folder / "first.json")
        MachineOverSockets.cast = Cast.in_folder(folder, {"TDX": {"MRTD": measure_program([str(program)]).mrtd.hex()}})
        run_state_machine_as_test(MachineOverSockets, settings=chosen)
    return MachineOverSockets.happened


def test_no_kill_no_lost_machine_and_no_order_of_requests_leads_to_another_state_than_the_models() -> None:
    """Few of them: `./dev crash sockets` has more."""
    assert CRASH in run(bounded(3, 12, by_chance=False, shrink=False)), "or these examples prove little"
