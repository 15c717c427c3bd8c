"""A marble that runs keeps its certificates fresh: with a real coordinator behind its real door, in a time of ours."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID as Uuid

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from attestation.issue import find_issuer
from coordinator.doors.tls import ClientCertificate, TlsLimits, make_context, serve
from coordinator.journal.memory import MemoryStorage
from coordinator.observe import Observer
from coordinator.rpc.server import methods
from coordinator.rpc.unary import Handler, Peer, RpcError, RpcLimits, StatusCode, UnaryServer
from coordinator.service import Coordinator
from marble.activate import activate
from marble.exchange import Granted
from marble.join_protocol import CHALLENGE, RENEW, Challenge, encode_challenge
from marble.renewal import Renewal, due
from marble.settings import Address, Settings
from marble.waiting import World
from pki.certificates import der
from tests.support import in_process, marble_client
from tests.support.people import person
from tests.support.ports import free_ports

HOUR = timedelta(hours=1)
_RENEWED = "renewed until"


@dataclass
class Time:
    """Passes only while somebody sleeps in it, and stands still when `until` is so.

    then: what happens once, at the time `at`.
    """

    now: datetime = field(default_factory=lambda: datetime.now(UTC))  # noqa: TID251 - a test's clock
    at: datetime | None = None
    then: Callable[[], Awaitable[None]] | None = None
    until: Callable[[], bool] = lambda: False
    stands: asyncio.Event = field(default_factory=asyncio.Event)

    def read(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if self.until():
            self.stands.set()
            await asyncio.Event().wait()
        self.now += timedelta(seconds=seconds)
        if self.at is not None and self.now >= self.at and self.then is not None:
            self.at = None
            await self.then()
        await asyncio.sleep(0)


class House:
    """A coordinator whose door opens and closes, and a marble of type web."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.time = folder, Time()
        self.simulated = in_process.World(folder)
        self.alice = person(folder, "alice")
        self.storage = MemoryStorage()
        self.coordinator = self.simulated.coordinator(self.storage, clock=self.time.read)
        self.files = folder / "run"
        (self.port,) = free_ports(1)
        self.told: list[str] = []
        self._door: asyncio.Server | None = None
        self.world = World(self.time.read, self.time.sleep, lambda: 0.0)
        settings = Settings(
            Address("127.0.0.1", self.port), "web", ("localhost",), (), PurePath("uuid"), None, None, False
        )
        simulation = {"ENCLASP_SIMULATION": str(folder / "simulation")}
        issuer = find_issuer(simulation, [str(folder / "program.py")])
        self.renewal = Renewal(settings, Uuid(marble_client.UUID), issuer, self.world)

    def manifest(self, **changes: Any) -> bytes:
        """changes: of the marble; `gone` instead leaves it out."""
        web = {
            "Package": "tdx",
            "CertificateLifetime": "1h",
            "RenewalSignal": "SIGHUP",
            "MaxActivations": 2,
            "Parameters": {
                "Files": {
                    str(self.files / "tls.crt"): "{{ pem .MarbleRun.MarbleCert.Cert }}",
                    str(self.files / "tls.key"): "{{ pem .MarbleRun.MarbleCert.Private }}",
                    str(self.files / "peers.crt"): "{{ pem .MarbleRun.RootCA.Cert }}",
                    str(self.files / "other"): "{{ hex .Secrets.key }}",
                }
            },
        }
        marbles: dict[str, Any] = {"other": {"Package": "tdx"}}
        if not changes.pop("gone", False):
            marbles["web"] = web | changes
        return self.simulated.manifest(
            Marbles=marbles,
            Secrets={"key": {"Type": "symmetric-key", "Size": 128}},
            Users={"alice": self.alice.entry("updater")},
            Roles={"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
        )

    async def update(self, **changes: Any) -> None:
        await self.coordinator.updates.update(self.alice.der, self.manifest(**changes), ())

    async def open(
        self, without: str = "", coordinator: Coordinator | None = None, between: Mapping[str, Handler] | None = None
    ) -> None:
        """without: a method that the door does not know, as an older coordinator's.

        between: what somebody in between answers himself, by method; the rest he lets pass.
        """
        serving = coordinator or self.coordinator
        known = {name: handler for name, handler in methods(serving, Observer("test")).items() if name != without}
        known |= between or {}

        def choose() -> Any:
            authority = serving.authority
            shown = (authority.marble_root,)
            required = ClientCertificate.REQUIRE
            return make_context(shown, authority.intermediate_key, client_certificate=required, alpn=("h2",))

        self._door = await serve(
            UnaryServer(known, RpcLimits()), choose, host="127.0.0.1", port=self.port, limits=TlsLimits()
        )

    def close(self) -> None:
        if self._door is not None:
            self._door.close()

    async def join(self) -> Granted:
        """Activated, its files laid down."""
        renewal = self.renewal
        granted = await activate(renewal.settings, renewal.uuid, renewal.issuer, None, self.world)
        self.files.mkdir(exist_ok=True)
        for path, content in granted.parameters.files.items():
            Path(path).write_bytes(content)
        return granted

    async def run(self, granted: Granted, *, until: Callable[[], bool]) -> None:
        """Let it renew until this is so, or it ends by itself."""
        self.time.until, self.time.stands = until, asyncio.Event()
        running = asyncio.ensure_future(self.renewal.run(granted, self.told.append))
        stands = asyncio.ensure_future(self.time.stands.wait())
        async with asyncio.timeout(30):
            await asyncio.wait((running, stands), return_when=asyncio.FIRST_COMPLETED)
        for task in (running, stands):
            task.cancel()
        await asyncio.gather(stands, return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):
            await running
        assert until()

    @property
    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.files / "tls.crt").read_bytes())

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.files.iterdir()}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    it = House(tmp_path)
    await it.coordinator.set_manifest(it.manifest())
    await it.open()
    yield it
    it.close()
    await it.coordinator.close()


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "marble")


def said(caplog: pytest.LogCaptureFixture, what: str) -> Callable[[], bool]:
    return lambda: any(what in message for message in caplog.messages)


async def test_it_renews_in_time_again_and_again_and_tells_the_program(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    granted = await house.join()
    before, begun = house.contents(), house.time.now
    (house.files / "other").write_bytes(b"the program's own by now")
    await house.run(granted, until=lambda: len(house.told) == 3)
    assert 3 * HOUR * 2 / 3 <= house.leaf.not_valid_before_utc - begun.replace(microsecond=0) < HOUR * 2.1
    after = house.contents()
    assert ["SIGHUP"] * 3 == house.told
    assert {"tls.crt", "tls.key", "other"} == {name for name in before if before[name] != after[name]}
    assert b"the program's own by now" == after["other"]
    assert house.time.now < house.leaf.not_valid_after_utc
    assert {"tls.crt", "tls.key", "peers.crt", "other"} == set(after), "no draft is left"
    paths = f"{house.files}/tls.crt, {house.files}/tls.key, then SIGHUP"
    assert f"renewed until {house.leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}: {paths}" == caplog.messages[-1]


async def test_a_coordinator_that_is_away_is_waited_for(house: House, caplog: pytest.LogCaptureFixture) -> None:
    granted = await house.join()
    house.close()
    house.time.at, house.time.then = house.time.now + timedelta(minutes=45), house.open
    await house.run(granted, until=lambda: bool(house.told))
    pauses = [message for message in caplog.messages if "the certificates are not renewed yet: UNAVAILABLE" in message]
    assert 5 < len(pauses) < 15
    assert _RENEWED in caplog.messages[-1]
    assert 1 == house.coordinator.manifest().activations["web"]


async def test_away_for_too_long_it_joins_anew_which_counts_and_is_said(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    granted = await house.join()
    house.close()
    house.time.at, house.time.then = house.time.now + HOUR + timedelta(seconds=1), house.open
    await house.run(granted, until=lambda: bool(house.told))
    assert said(caplog, "A226 expected a marble's certificate of this deployment that has not ended")()
    assert said(caplog, "joining anew, which counts as an activation")()
    assert 2 == house.coordinator.manifest().activations["web"]
    assert house.leaf.not_valid_after_utc > house.time.now
    assert {"tls.crt", "tls.key", "peers.crt", "other"} == set(house.contents())


async def test_who_is_locked_out_keeps_its_files_and_is_let_in_again(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    granted = await house.join()
    before = house.contents()
    await house.update(gone=True)
    await house.run(granted, until=said(caplog, "PERMISSION_DENIED: marble verification failed: A201"))
    assert (before, []) == (house.contents(), house.told)
    await house.update()
    await house.run(granted, until=lambda: bool(house.told))
    assert house.coordinator.authority.marble_root == x509.load_pem_x509_certificate(house.contents()["peers.crt"])


async def test_a_manifest_without_files_for_it_ends_renewal(house: House, caplog: pytest.LogCaptureFixture) -> None:
    granted = await house.join()
    before = house.contents()
    await house.update(Parameters={})
    await house.run(granted, until=said(caplog, "the manifest gives this marble nothing any more that can be renewed"))
    assert (before, []) == (house.contents(), house.told)


async def test_a_new_manifest_may_give_other_files_and_another_signal(house: House) -> None:
    granted = await house.join()
    new = house.files / "new.pem"
    files = {str(new): "{{ pem .MarbleRun.MarbleCert.Cert }}{{ pem .MarbleRun.MarbleCert.Private }}"}
    await house.update(Parameters={"Files": files}, RenewalSignal="SIGUSR1")
    before = house.contents()
    await house.run(granted, until=lambda: bool(house.told))
    after = house.contents()
    assert (["SIGUSR1"], b"PRIVATE KEY") == (house.told, after.pop("new.pem")[-17:-6])
    assert before == after


async def test_an_older_coordinator_is_waited_for(house: House, caplog: pytest.LogCaptureFixture) -> None:
    granted = await house.join()
    house.close()
    await house.open(without=RENEW)
    await house.run(granted, until=said(caplog, "the certificates are not renewed yet: UNIMPLEMENTED"))
    house.close()
    await house.open()
    await house.run(granted, until=lambda: bool(house.told))


async def test_another_deployment_at_the_same_address_gets_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even a join: who runs in one deployment does not slip into another that has its own manifest."""
    granted = await house.join()
    house.close()
    other = house.simulated.coordinator(MemoryStorage(), clock=house.time.read)
    await other.set_manifest(house.manifest())
    await house.open(coordinator=other)
    await house.run(granted, until=said(caplog, "it is another one than this marble joined"))
    assert ({}, []) == (dict(other.manifest().activations), house.told)
    house.close()
    await house.open()
    await house.run(granted, until=lambda: bool(house.told))
    await other.close()


async def test_a_new_leader_knows_no_nonce_of_the_old_one_and_is_asked_again(house: House) -> None:
    granted = await house.join()
    await house.coordinator.close()
    house.coordinator = house.simulated.coordinator(house.storage, clock=house.time.read)
    house.close()
    await house.open()
    await house.run(granted, until=lambda: bool(house.told))


async def test_a_file_that_cannot_be_written_is_tried_again(house: House, caplog: pytest.LogCaptureFixture) -> None:
    granted = await house.join()
    certificate = house.files / "tls.crt"
    certificate.unlink()
    certificate.mkdir()
    await house.run(granted, until=said(caplog, "expected a regular file or nothing there, got a folder"))
    assert (granted.parameters.files[str(house.files / "tls.key")], []) == (
        (house.files / "tls.key").read_bytes(),
        house.told,
    )
    certificate.rmdir()
    await house.run(granted, until=lambda: bool(house.told))
    assert house.leaf.not_valid_after_utc > house.time.now


# Who stands in between, and ends TLS


@pytest.mark.parametrize("method", [CHALLENGE, RENEW])
async def test_a_refusal_that_is_made_up_costs_no_activation(
    house: House, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    granted = await house.join()

    async def refuse(_: bytes, __: Peer) -> bytes:
        raise RpcError(StatusCode.UNAUTHENTICATED, "A226 it has ended, believe me")

    house.close()
    await house.open(between={method: refuse})
    await house.run(granted, until=said(caplog, "not renewed yet: UNAUTHENTICATED: A226 it has ended, believe me"))
    house.close()
    await house.open()
    await house.run(granted, until=lambda: bool(house.told))
    assert 1 == house.coordinator.manifest().activations["web"]


async def test_an_answer_that_nobody_can_read_does_not_end_renewal(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """A root whose key is of an algorithm that nobody knows; the certificate itself can be read."""
    granted = await house.join()
    ec_public_key, nothing = bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d027f")
    root = der(house.coordinator.authority.root).replace(ec_public_key, nothing)

    async def challenge(_: bytes, __: Peer) -> bytes:
        return encode_challenge(Challenge(bytes(32), root))

    house.close()
    await house.open(between={CHALLENGE: challenge})
    await house.run(granted, until=said(caplog, "it gave no usable identity"))
    house.close()
    await house.open()
    await house.run(granted, until=lambda: bool(house.told))


async def test_a_fault_of_ours_does_not_end_renewal(house: House, caplog: pytest.LogCaptureFixture) -> None:
    @dataclass
    class Broken:
        """A device that fails in a way that nobody thought of, once."""

        device: Any
        broken: bool = True

        @property
        def simulated(self) -> bool:
            return True

        def issue(self, report_data: bytes) -> Any:
            if self.broken:
                self.broken = False
                raise RuntimeError("with a secret in its words")
            return self.device.issue(report_data)

    granted = await house.join()
    house.renewal = replace(house.renewal, issuer=Broken(house.renewal.issuer))  # type: ignore[arg-type]
    await house.run(granted, until=lambda: bool(house.told))
    assert said(caplog, "the certificates are not renewed yet: unexpected: RuntimeError")()
    assert "with a secret" not in caplog.text


# When


@pytest.mark.parametrize("back", [timedelta(0), timedelta(minutes=40), timedelta(days=3650)], ids=str)
async def test_a_clock_that_is_set_back_does_not_put_it_off(house: House, back: timedelta) -> None:
    """The coordinator's goes on; so the certificate of before has to be shown before that."""
    granted = await house.join()
    clock, slept = house.time, timedelta(0)

    async def set_back() -> None:
        clock.now -= back

    async def sleep(seconds: float) -> None:
        nonlocal slept
        slept += timedelta(seconds=seconds)
        await clock.sleep(seconds)

    asked: list[timedelta] = []

    async def challenge(_: bytes, __: Peer) -> bytes:
        asked.append(slept)
        raise RpcError(StatusCode.UNAVAILABLE, "noted")

    house.close()
    await house.open(between={CHALLENGE: challenge})
    clock.at, clock.then = clock.now + timedelta(minutes=30), set_back
    house.renewal = replace(house.renewal, world=replace(house.world, sleep=sleep))
    await house.run(granted, until=lambda: bool(asked))
    assert timedelta(minutes=39) < asked[0] <= timedelta(minutes=40)


@given(st.integers(-3600, 3600), st.floats(0, 1, exclude_max=True))
def test_it_is_due_before_the_end_by_any_clock(granted: Granted, skew: int, chance: float) -> None:
    """skew: by which our clock is ahead of the coordinator's."""
    begin, end = granted.identity.leaf.not_valid_before_utc, granted.until
    now = begin + timedelta(seconds=skew)
    at = due(granted, now, chance)
    left = min(end - begin, end - now)
    assert now < at
    assert at - now <= max(left * 2 / 3, timedelta(seconds=1))
    assert left < timedelta(seconds=2) or at - now >= left / 2


@pytest.fixture(scope="module")
def granted(tmp_path_factory: pytest.TempPathFactory) -> Granted:
    """Something that was given, for an hour."""

    async def given() -> Granted:
        house = House(tmp_path_factory.mktemp("given"))
        await house.coordinator.set_manifest(house.manifest())
        await house.open()
        granted = await house.join()
        house.close()
        await house.coordinator.close()
        return granted

    return asyncio.run(given())
