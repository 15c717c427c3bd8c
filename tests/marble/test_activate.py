"""Joining: prove, ask, wait where waiting helps, and believe nothing that does not fit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from uuid import UUID as Uuid

import pytest

from attestation import binding
from attestation.anchors import TrustAnchors
from attestation.certificate import evidence_extension
from attestation.evidence import Evidence, recognise
from attestation.issue import Issuer, find_issuer
from attestation.kinds import Kind
from attestation.simulation.folder import create
from attestation.simulation.measure import measure_program
from attestation.simulation.vendor import load
from attestation.verify import Verifier
from coordinator.rpc.unary import StatusCode
from marble.activate import MAX_DELAY_SECONDS, activate, load_expectation
from marble.errors import ActivationRefused, CoordinatorNotTrusted, CoordinatorUnreachable, SettingsInvalid
from marble.protocol import Parameters
from marble.settings import Address, CoordinatorTrust, Settings
from marble.trust import Expectation
from marble.waiting import World
from pki.keys import KeyAlgorithm, PrivateKey, generate, spki_der
from pki.manifest_digest import manifest_digest_extension
from tests.fakes.fake_coordinator import FakeCoordinator
from tests.fakes.marble_pki import UUID, MarblePki

SETTINGS = Settings(Address("127.0.0.1", 1), "web", ("localhost",), (), PurePath("uuid"), None, 20.0, False)
DIGEST = bytes(range(32))


@dataclass
class Sleeper:
    """A world in which waiting takes no time, and is counted."""

    pauses: list[float] = field(default_factory=list)
    on_pause: Callable[[], Awaitable[None]] | None = None

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if self.on_pause is not None:
            await self.on_pause()
        await asyncio.sleep(0)

    def world(self) -> World:
        return World(sleep=self.sleep, chance=lambda: 1.0)


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture(scope="module")
def vendor_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vendor") / "simulation"
    create(folder)
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "coordinator"
    path.write_bytes(b"a coordinator")
    return path


def issuer(folder: Path, program: Path, kind: str = "tdx") -> Issuer:
    return find_issuer({"ENCLASP_SIMULATION": str(folder), "ENCLASP_SIMULATION_KIND": kind}, [str(program)])


async def join(
    coordinator: FakeCoordinator,
    sleeper: Sleeper,
    *,
    issuer: Issuer | None = None,
    expected: Expectation | None = None,
    settings: Settings = SETTINGS,
) -> Parameters:
    told = replace(settings, coordinator=Address("127.0.0.1", coordinator.port))
    return (await activate(told, Uuid(UUID), issuer, expected, sleeper.world())).parameters


async def test_a_marble_gets_what_the_coordinator_gives(pki: MarblePki, sleeper: Sleeper) -> None:
    given = Parameters({"/f": b"1"}, {"V": b"2"}, ("a", "b"))
    async with FakeCoordinator(pki, parameters=given).running() as coordinator:
        got = await join(coordinator, sleeper)
    assert (given.files, b"2", given.argv) == (got.files, got.env["V"], got.argv)
    (request,) = coordinator.requests
    assert (b"", "web", UUID) == (request.quote, request.marble_type, request.uuid)


@pytest.mark.parametrize("kind", [Kind.TDX, Kind.SGX])
async def test_the_evidence_binds_the_certificate_of_the_connection(
    pki: MarblePki, sleeper: Sleeper, vendor_folder: Path, program: Path, kind: Kind
) -> None:
    async with FakeCoordinator(pki).running() as coordinator:
        await join(coordinator, sleeper, issuer=issuer(vendor_folder, program, kind))
    vendor = load(vendor_folder)
    verifier = Verifier(TrustAnchors.genuine().with_simulated(vendor.trust_pem), vendor.endorsements)
    quote = coordinator.requests[0].quote
    evidence = recognise(quote)
    found = verifier.verify(evidence, binding.of_certificate(coordinator.certificates[0]), now=World().now())
    assert (kind, True, True) == (evidence.kind, found.genuine, found.simulated)
    assert (kind is Kind.SGX) == (quote[:4] == b"\1\0\0\0")


@pytest.mark.parametrize("code", [StatusCode.FAILED_PRECONDITION, StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED])
async def test_a_marble_waits_for_a_coordinator_that_is_not_ready(
    pki: MarblePki, sleeper: Sleeper, code: StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "marble")
    refusals = [(code, "no manifest yet")] * 2 + [(code, "waits for recovery\n  hint: recover it")]
    async with FakeCoordinator(pki, refusals=refusals).running() as coordinator:
        await join(coordinator, sleeper)
    assert [0.5, 1.0, 2.0] == sleeper.pauses
    assert caplog.messages == [
        f"joining the coordinator at {coordinator.address} as 'web'",
        f"waiting for the coordinator at {coordinator.address}: no manifest yet, next try in 0.5 s",
        f"waiting for the coordinator at {coordinator.address}: no manifest yet, next try in 1.0 s",
        f"waiting for the coordinator at {coordinator.address}: waits for recovery, next try in 2.0 s",
    ]


async def test_who_waits_for_long_says_so_each_minute_and_at_once_when_the_reason_is_another(
    pki: MarblePki, sleeper: Sleeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "marble")
    refusals = [(StatusCode.UNAVAILABLE, "busy")] * 14 + [(StatusCode.UNAVAILABLE, "no manifest yet")] * 4
    async with FakeCoordinator(pki, refusals=refusals).running() as coordinator:
        await join(coordinator, sleeper)
    told = [message.partition(": ")[2] for message in caplog.messages[1:]]
    growing = [f"busy, next try in {pause:.1f} s" for pause in (0.5, 1, 2, 4, 8)]
    assert [*growing, *["busy, next try in 15.0 s"] * 2, "no manifest yet, next try in 15.0 s"] == told


async def test_every_attempt_has_its_own_certificate_and_evidence(
    pki: MarblePki, sleeper: Sleeper, vendor_folder: Path, program: Path
) -> None:
    refusals = [(StatusCode.UNAVAILABLE, "overloaded")] * 2
    async with FakeCoordinator(pki, refusals=refusals).running() as coordinator:
        await join(coordinator, sleeper, issuer=issuer(vendor_folder, program))
    assert 3 == len(set(coordinator.certificates)) == len({request.quote for request in coordinator.requests})


async def test_pauses_grow_up_to_a_limit_and_never_go_in_step(pki: MarblePki) -> None:
    sleeper = Sleeper()
    async with FakeCoordinator(pki, refusals=[(StatusCode.UNAVAILABLE, "busy")] * 8).running() as coordinator:
        await join(coordinator, sleeper)
    assert [0.5, 1.0, 2.0, 4.0, 8.0, MAX_DELAY_SECONDS, MAX_DELAY_SECONDS, MAX_DELAY_SECONDS] == sleeper.pauses
    hasty = Sleeper()
    world = replace(hasty.world(), chance=lambda: 0.0)
    async with FakeCoordinator(pki, refusals=[(StatusCode.UNAVAILABLE, "busy")]).running() as coordinator:
        told = replace(SETTINGS, coordinator=Address("127.0.0.1", coordinator.port))
        await activate(told, Uuid(UUID), None, None, world)
    assert [0.25] == hasty.pauses


async def test_a_marble_that_starts_before_the_coordinator_joins_once_it_is_there(
    pki: MarblePki, sleeper: Sleeper, unused_tcp_port: int
) -> None:
    coordinator = FakeCoordinator(pki, port=unused_tcp_port)
    running = coordinator.running()

    async def start() -> None:
        if len(sleeper.pauses) == 2:
            await running.__aenter__()

    sleeper.on_pause = start
    await join(coordinator, sleeper)
    await running.__aexit__(None, None, None)
    assert [0.5, 1.0] == sleeper.pauses


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (StatusCode.PERMISSION_DENIED, 4),
        (StatusCode.INVALID_ARGUMENT, 3),
        (StatusCode.UNAUTHENTICATED, 7),
        (StatusCode.INTERNAL, 4),
        (StatusCode.UNIMPLEMENTED, 4),
    ],
)
async def test_a_refusal_is_final_and_says_why(
    pki: MarblePki, sleeper: Sleeper, code: StatusCode, exit_code: int
) -> None:
    async with FakeCoordinator(pki, refusals=[(code, "because of this")]).running() as coordinator:
        with pytest.raises(ActivationRefused, match=rf"refused the activation \({code.name}\): because") as refused:
            await join(coordinator, sleeper)
    assert ([], exit_code) == (sleeper.pauses, refused.value.exit_code)


@pytest.mark.parametrize("reason", ["no", "no (hint: measure it again)"])
async def test_a_refusal_has_one_hint(pki: MarblePki, sleeper: Sleeper, reason: str) -> None:
    async with FakeCoordinator(pki, refusals=[(StatusCode.PERMISSION_DENIED, reason)]).running() as coordinator:
        with pytest.raises(ActivationRefused) as refused:
            await join(coordinator, sleeper)
    assert 1 == str(refused.value).count("hint: ")


async def test_waiting_ends_with_the_time_out_and_tells_the_last_reason(
    sleeper: Sleeper, pki: MarblePki, unused_tcp_port: int
) -> None:
    coordinator = FakeCoordinator(pki, port=unused_tcp_port)
    with pytest.raises(CoordinatorUnreachable, match=r"no activation at .* within 0.2 s: connection refused") as ended:
        await join(coordinator, sleeper, settings=replace(SETTINGS, timeout_seconds=0.2))
    assert "hint: check EDG_MARBLE_COORDINATOR_ADDR" in str(ended.value)


async def test_who_waited_in_vain_is_told_what_the_coordinator_advised(pki: MarblePki, sleeper: Sleeper) -> None:
    refusals = [(StatusCode.FAILED_PRECONDITION, "A210 not now\n  hint: recover its state")] * 1000
    async with FakeCoordinator(pki, refusals=refusals).running() as coordinator:
        with pytest.raises(CoordinatorUnreachable) as ended:
            await join(coordinator, sleeper, settings=replace(SETTINGS, timeout_seconds=0.5))
    assert str(ended.value).endswith("A210 not now\n  hint: recover its state")


async def test_the_time_out_also_ends_a_call_that_hangs(sleeper: Sleeper, pki: MarblePki) -> None:
    async with FakeCoordinator(pki, hold=asyncio.Event()).running() as coordinator:
        with pytest.raises(CoordinatorUnreachable, match="no answer yet"):
            await join(coordinator, sleeper, settings=replace(SETTINGS, timeout_seconds=0.2))


async def test_an_answer_that_is_no_message_is_refused(pki: MarblePki, sleeper: Sleeper) -> None:
    async with FakeCoordinator(pki, answer=b"\xff").running() as coordinator:
        with pytest.raises(CoordinatorNotTrusted, match="its answer cannot be read"):
            await join(coordinator, sleeper)


async def test_another_identity_than_asked_for_is_refused(pki: MarblePki, sleeper: Sleeper) -> None:
    async with FakeCoordinator(pki, marble_type="admin").running() as coordinator:
        with pytest.raises(CoordinatorNotTrusted, match="expected the type 'web', got 'admin'"):
            await join(coordinator, sleeper)


@dataclass(frozen=True)
class Flaky:
    """A device whose quoting service starts late."""

    inner: Issuer
    failures: list[OSError]

    kind = Kind.TDX
    simulated = True

    def issue(self, report_data: bytes) -> Evidence:
        if self.failures:
            raise self.failures.pop()
        return self.inner.issue(report_data)

    def sealing_key(self, mode: str) -> bytes:
        return self.inner.sealing_key(mode)


async def test_a_device_that_is_not_ready_is_waited_for(
    pki: MarblePki, sleeper: Sleeper, vendor_folder: Path, program: Path
) -> None:
    device = Flaky(issuer(vendor_folder, program), [OSError("quoting service is starting")])
    async with FakeCoordinator(pki).running() as coordinator:
        await join(coordinator, sleeper, issuer=device)
    assert ([0.5], 1) == (sleeper.pauses, len(coordinator.requests))


# Which coordinator is it?


def attested_pki(folder: Path, program: Path, kind: str = "tdx", digest: bytes = DIGEST) -> MarblePki:
    """A coordinator's hierarchy with its Evidence in the root certificate, as design.md, 3 says."""
    key: PrivateKey = generate(KeyAlgorithm.EC_P384)
    bound = binding.of_root_key(spki_der(key.public_key()), DIGEST)
    evidence = issuer(folder, program, kind).issue(bound.report_data)
    return MarblePki.create(key, [manifest_digest_extension(digest), evidence_extension(evidence)])


@pytest.fixture(scope="module")
def trust(vendor_folder: Path, program: Path, tmp_path_factory: pytest.TempPathFactory) -> CoordinatorTrust:
    """What the operator of the marble configured: reference values, simulated root, collateral."""
    return trust_in(tmp_path_factory.mktemp("trust"), vendor_folder, program)


def trust_in(folder: Path, vendor_folder: Path, program: Path) -> CoordinatorTrust:
    measured = measure_program([str(program)])
    reference = folder / "reference.json"
    reference.write_text(
        f'{{"TDX": {{"MRTD": "{measured.mrtd.hex()}"}}, "SGX": {{"MRENCLAVE": "{measured.mrenclave.hex()}"}}}}'
    )
    return CoordinatorTrust(reference, vendor_folder / "trust.pem", vendor_folder / "collateral.json")


@pytest.mark.parametrize("kind", ["tdx", "sgx"])
async def test_the_expected_coordinator_is_joined_and_simulation_is_said_aloud(
    vendor_folder: Path,
    program: Path,
    trust: CoordinatorTrust,
    sleeper: Sleeper,
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "marble")
    async with FakeCoordinator(attested_pki(vendor_folder, program, kind), native=True).running() as coordinator:
        await join(coordinator, sleeper, expected=load_expectation(trust))
    assert [f"the coordinator is verified: SIMULATED {kind}"] == caplog.messages[1:]


async def test_who_denies_the_join_with_a_nonce_sees_nothing_of_a_marble_that_expects_a_coordinator(
    vendor_folder: Path, program: Path, trust: CoordinatorTrust, sleeper: Sleeper
) -> None:
    """Somebody in the middle lets the first call fail, to have evidence and answer in MarbleRun's way."""
    pki, own = attested_pki(vendor_folder, program), issuer(vendor_folder, program)
    async with FakeCoordinator(pki).running() as downgraded:
        with pytest.raises(CoordinatorNotTrusted, match="gives no challenge"):
            await join(downgraded, sleeper, issuer=own, expected=load_expectation(trust))
        assert [] == downgraded.requests
        await join(downgraded, sleeper, issuer=own)
    async with FakeCoordinator(pki, native=True).running() as coordinator:
        await join(coordinator, sleeper, issuer=own, expected=load_expectation(trust))
        assert 1 == len(coordinator.requests)


async def test_a_coordinator_without_evidence_is_refused(
    pki: MarblePki, trust: CoordinatorTrust, sleeper: Sleeper
) -> None:
    async with FakeCoordinator(pki, native=True).running() as coordinator:
        with pytest.raises(CoordinatorNotTrusted, match="carries no evidence"):
            await join(coordinator, sleeper, expected=load_expectation(trust))


async def test_another_program_is_refused_with_both_measurements(
    vendor_folder: Path, trust: CoordinatorTrust, sleeper: Sleeper, tmp_path: Path
) -> None:
    changed = tmp_path / "coordinator"
    changed.write_bytes(b"A coordinator")
    async with FakeCoordinator(attested_pki(vendor_folder, changed), native=True).running() as coordinator:
        with pytest.raises(CoordinatorNotTrusted, match="does not meet the reference values") as refused:
            await join(coordinator, sleeper, expected=load_expectation(trust))
    assert any(
        reason.startswith("tdx.mrtd: expected ") and "reference.json /TDX/MRTD" in reason
        for reason in refused.value.reasons
    )


async def test_evidence_for_another_manifest_is_refused(
    vendor_folder: Path, program: Path, trust: CoordinatorTrust, sleeper: Sleeper
) -> None:
    swapped = attested_pki(vendor_folder, program, digest=bytes(32))
    async with FakeCoordinator(swapped, native=True).running() as coordinator:
        with pytest.raises(CoordinatorNotTrusted, match=r"not genuine\n  binding.report-data"):
            await join(coordinator, sleeper, expected=load_expectation(trust))


async def test_evidence_copied_into_another_root_certificate_is_refused(
    vendor_folder: Path, program: Path, trust: CoordinatorTrust, sleeper: Sleeper
) -> None:
    genuine = attested_pki(vendor_folder, program)
    copied = [extension.value for extension in genuine.root.extensions if not extension.critical][-2:]
    thief = MarblePki.create(None, copied)
    async with FakeCoordinator(thief, native=True).running() as coordinator:
        with pytest.raises(CoordinatorNotTrusted, match=r"binding\.report-data"):
            await join(coordinator, sleeper, expected=load_expectation(trust))


async def test_somebody_in_the_middle_is_refused(
    vendor_folder: Path, program: Path, trust: CoordinatorTrust, sleeper: Sleeper, other_pki: MarblePki
) -> None:
    middle = (other_pki.marble_root, other_pki.intermediate_key)
    genuine = attested_pki(vendor_folder, program)
    async with FakeCoordinator(genuine, native=True, shown=middle).running() as coordinator:
        with pytest.raises(CoordinatorNotTrusted, match="somebody else ended the connection"):
            await join(coordinator, sleeper, expected=load_expectation(trust))


async def test_a_simulated_coordinator_is_refused_unless_its_root_was_configured(
    vendor_folder: Path, program: Path, trust: CoordinatorTrust, sleeper: Sleeper
) -> None:
    async with FakeCoordinator(attested_pki(vendor_folder, program), native=True).running() as coordinator:
        with pytest.raises(CoordinatorNotTrusted, match=r"SIMULATED|simulated"):
            await join(coordinator, sleeper, expected=load_expectation(replace(trust, trust=None)))


@pytest.mark.parametrize(
    ("part", "variable"),
    [
        ("reference", "ENCLASP_COORDINATOR_REFERENCE"),
        ("trust", "ENCLASP_COORDINATOR_TRUST"),
        ("collateral", "ENCLASP_COORDINATOR_COLLATERAL"),
    ],
)
def test_an_unusable_file_about_the_coordinator_is_named(
    trust: CoordinatorTrust, tmp_path: Path, part: str, variable: str
) -> None:
    for path, content in ((tmp_path / "absent", None), (tmp_path / "odd", b"odd")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsInvalid, match=f"{variable}: '{path}' cannot be used: "):
            load_expectation(replace(trust, **{part: path}))
