"""A marble that runs gets new certificates, and nothing else; everybody else gets a refusal that says why."""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from attestation.evidence import recognise
from attestation.issue import find_issuer
from coordinator.authority import INTERMEDIATE_NAME
from coordinator.decisions.challenge import LIFETIME
from coordinator.decisions.errors import (
    EvidenceReused,
    NoCertificate,
    NotAttested,
    NotFresh,
    NotRenewable,
    Refused,
    RequestInvalid,
    UnknownMarble,
)
from coordinator.decisions.grant import Keys
from coordinator.decisions.marble_name import find_bearer
from coordinator.decisions.renew_marble import Renewal, renew_marble
from coordinator.desk import NotServing
from coordinator.journal.errors import StorageFailed
from coordinator.journal.memory import MemoryStorage
from coordinator.secrets.generate import make_key
from coordinator.secrets.parameters import AuthorityTexts
from coordinator.service import Coordinator
from coordinator.state.model import State
from coordinator.state.phase import Phase
from marble.join_protocol import JoinRequest, Renewable, RenewalRequest
from marble.protocol import Parameters, decode_response
from marble.sealing import SEALING_KEY_BYTES, SealingKey
from marble.settings import CERTIFICATE_CHAIN, PREDEFINED
from marble.trust import GivenIdentity, read_identity, read_root, root_spki
from pki.certificates import CertificateTemplate, ExtraExtension, build, common_name, der
from pki.keys import PublicKey, generate_p384, generate_rsa
from pki.oids import MARBLE_TYPE
from tests.support import marble_client
from tests.support.in_process import Clock, World
from tests.support.people import Person, person

HOUR = timedelta(hours=1)
OTHER_UUID = "3f2c1b7e-1111-4222-8333-944455566600"
FILES = {
    "/run/tls.crt": "{{ pem .MarbleRun.MarbleCert.Cert }}",
    "/run/tls.key": "{{ pem .MarbleRun.MarbleCert.Private }}",
    "/run/peers.crt": "{{ pem .MarbleRun.RootCA.Cert }}",
    "/run/own.crt": "{{ pem .Secrets.own.Cert }}",
    "/run/key": "{{ hex .Secrets.key }}",
    "/run/plain": "nothing to see",
}
RENEWED = ("/run/tls.crt", "/run/tls.key", "/run/peers.crt", "/run/own.crt")
SECRETS = {
    "key": {"Type": "symmetric-key", "Size": 128, "Shared": True},
    "own": {"Type": "cert-ecdsa", "Size": 256},
    "authority": {"Type": "cert-ecdsa", "Size": 384, "Cert": {"IsCA": True}},
}
WEB = {
    "Package": "tdx",
    "MaxActivations": 1,
    "RenewalSignal": "SIGHUP",
    "Parameters": {
        "Files": FILES,
        "Env": {"KEY": "{{ hex .Secrets.key }}", "CA": "{{ pem .Secrets.authority.Cert }}"},
    },
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return person(tmp_path_factory.mktemp("people"), "alice")


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))  # noqa: TID251 - a test's clock


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
async def coordinator(world: World, alice: Person, clock: Clock, storage: MemoryStorage) -> AsyncIterator[Coordinator]:
    begun = world.coordinator(storage, clock=clock)
    await begun.set_manifest(manifest(world, alice))
    yield begun
    await begun.close()


def manifest(world: World, alice: Person, **marbles: Any) -> bytes:
    """One person may update it.  marbles: over `web` and another."""
    return world.manifest(
        Marbles={"web": WEB, "other": {"Package": "tdx"}} | marbles,
        Secrets=SECRETS,
        Users={"alice": alice.entry("updater")},
        Roles={"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
    )


class Joined:
    """A marble that was activated.  Each `Asking` shows its newest certificate."""

    def __init__(self, world: World, coordinator: Coordinator, parameters: Parameters, marble_type: str) -> None:
        self.world, self.coordinator, self.type = world, coordinator, marble_type
        self.take(parameters)

    @classmethod
    async def join(cls, world: World, coordinator: Coordinator, marble_type: str = "web") -> "Joined":
        return cls(world, coordinator, await world.activate(coordinator, marble_type), marble_type)

    def take(self, parameters: Parameters) -> None:
        self.parameters = parameters
        (end,) = (c.not_valid_after_utc for c in x509.load_pem_x509_certificates(parameters.env[CERTIFICATE_CHAIN])[:1])
        self.given: GivenIdentity = read_identity(
            parameters.env, self.type, marble_client.UUID, now=end - timedelta(minutes=1)
        )

    async def renew(self) -> Parameters:
        asking = Asking(self)
        self.take(await asking.ask())
        return self.parameters


class Asking:
    """A renewal half-way: challenged, its evidence made; tests change what it sends."""

    def __init__(self, marble: Joined, coordinator: Coordinator | None = None) -> None:
        self.coordinator = coordinator or marble.coordinator
        self.certificate = der(marble.given.leaf)
        self.key = SealingKey.generate()
        challenge = self.coordinator.challenge(self.certificate)
        self.root_spki = root_spki(read_root(challenge.root))
        asked = RenewalRequest(challenge.nonce, b"", self.key.public, der(marble.given.intermediate))
        self.bound = asked.bound(self.certificate, self.root_spki)
        self.request = replace(asked, evidence=marble.world.marble.quote(self.bound.report_data))

    async def ask(self, leaf: bytes | None = None, **changed: Any) -> Parameters:
        sealed = await self.coordinator.renew(replace(self.request, **changed), leaf or self.certificate)
        self.renewable = sealed.renewable
        return decode_response(self.key.open(sealed.content, self.bound))


def leaf_of(parameters: Parameters) -> x509.Certificate:
    return x509.load_pem_x509_certificates(parameters.env[CERTIFICATE_CHAIN])[0]


async def test_it_gets_what_has_certificates_and_nothing_else(world: World, coordinator: Coordinator) -> None:
    marble = await Joined.join(world, coordinator)
    before, asking = marble.parameters, Asking(marble)
    after = await asking.ask()
    assert Renewable(RENEWED, "SIGHUP") == asking.renewable
    assert (set(RENEWED), set(PREDEFINED), ()) == (set(after.files), set(after.env), after.argv)
    assert {"/run/peers.crt"} == {path for path in RENEWED if before.files[path] == after.files[path]}
    old, new = leaf_of(before), leaf_of(after)
    assert old.public_key() != new.public_key() == load_pem_private_key(after.files["/run/tls.key"], None).public_key()
    assert new == x509.load_pem_x509_certificate(after.files["/run/tls.crt"])
    assert (old.subject, old.issuer) == (new.subject, new.issuer)
    assert [e.value for e in old.extensions] == [e.value for e in new.extensions]


async def test_it_is_no_activation(world: World, coordinator: Coordinator, clock: Clock) -> None:
    marble = await Joined.join(world, coordinator)
    for _ in range(3):
        clock.now += HOUR / 2
        assert clock.now + HOUR - timedelta(seconds=1) <= leaf_of(await marble.renew()).not_valid_after_utc
    with pytest.raises(Refused, match="maximum number of activations"):
        await world.activate(coordinator, "web")


async def test_the_answer_is_for_its_eyes_alone(world: World, coordinator: Coordinator) -> None:
    asking = Asking(await Joined.join(world, coordinator))
    sealed = await coordinator.renew(asking.request, asking.certificate)
    assert b"PRIVATE KEY" not in sealed.content
    assert b"PRIVATE KEY" in asking.key.open(sealed.content, asking.bound)


async def test_a_certificate_secret_ends_no_sooner_than_the_marbles_own(
    world: World, alice: Person, clock: Clock
) -> None:
    """So that all are renewed together."""
    coordinator = world.coordinator(MemoryStorage(), clock=clock)
    secrets = SECRETS | {"own": SECRETS["own"] | {"ValidFor": 2}}
    web = WEB | {"CertificateLifetime": "9d", "MaxActivations": 0}
    await coordinator.set_manifest(world.manifest(Marbles={"web": web}, Secrets=secrets))
    parameters = await world.activate(coordinator, "web")
    own = x509.load_pem_x509_certificate(parameters.files["/run/own.crt"])
    assert timedelta(days=2) == leaf_of(parameters).not_valid_after_utc - leaf_of(parameters).not_valid_before_utc
    assert own.not_valid_after_utc == leaf_of(parameters).not_valid_after_utc
    await coordinator.close()


# Who is refused


async def test_who_was_never_activated_is_refused(world: World, coordinator: Coordinator) -> None:
    """The same program, the same evidence, the UUID of a marble; what it lacks is a certificate of ours."""
    marble = await Joined.join(world, coordinator)
    stranger = Asking(marble)
    key = generate_p384()
    template = CertificateTemplate(
        marble.given.leaf.subject,
        extra=(ExtraExtension(x509.UnrecognizedExtension(MARBLE_TYPE, b"web")),),
    )
    made = build(
        template,
        public_key=key.public_key(),
        issuer_name=marble.given.leaf.issuer,
        issuer_key=key,
        not_before=marble.given.leaf.not_valid_before_utc,
        serial=1,
    )
    own = der(made)
    nonce = coordinator.challenge(own).nonce
    bound = replace(stranger.request, nonce=nonce).bound(own, stranger.root_spki)
    evidence = world.marble.quote(bound.report_data)
    with pytest.raises(NotRenewable, match="expected a marble's certificate of this deployment that has not ended"):
        await stranger.ask(own, nonce=nonce, evidence=evidence)
    with pytest.raises(NotRenewable):
        await stranger.ask(own, nonce=nonce, evidence=evidence, intermediate=own)
    await marble.renew()


async def test_an_authority_among_the_secrets_makes_no_marbles(
    world: World, coordinator: Coordinator, clock: Clock
) -> None:
    """A marble that was given a CA certificate issues one with a marble's names: the root never signed that CA."""
    marble = await Joined.join(world, coordinator)
    authority = x509.load_pem_x509_certificate(marble.parameters.env["CA"])
    key = ec.generate_private_key(ec.SECP384R1())
    template = CertificateTemplate(
        common_name(OTHER_UUID), extra=(ExtraExtension(x509.UnrecognizedExtension(MARBLE_TYPE, b"web")),)
    )
    forged = der(
        build(
            template,
            public_key=key.public_key(),
            issuer_name=authority.subject,
            issuer_key=key,
            not_before=clock.now,
            serial=1,
        )
    )
    nonce = coordinator.challenge(forged).nonce
    with pytest.raises(NotRenewable):
        await Asking(marble).ask(forged, nonce=nonce, intermediate=der(authority))


async def test_a_strangers_intermediate_is_refused_before_its_key_is_used(
    world: World, coordinator: Coordinator, clock: Clock
) -> None:
    """An RSA key with an exponent as long as itself takes ten times as long as all else of a refusal."""
    marble = await Joined.join(world, coordinator)
    key, name = generate_rsa(2048), common_name("stranger")
    slow = RSAPublicNumbers(2**2047 + 1, key.public_key().public_numbers().n).public_key()

    def signed(template: CertificateTemplate, public_key: PublicKey) -> bytes:
        made = build(template, public_key=public_key, issuer_name=name, issuer_key=key, not_before=clock.now, serial=1)
        return der(made)

    above = signed(CertificateTemplate(name, is_ca=True), slow)
    own = signed(CertificateTemplate(common_name(OTHER_UUID)), generate_p384().public_key())
    nonce = coordinator.challenge(own).nonce
    with pytest.raises(NotRenewable, match="'CN=stranger' leads to no trusted anchor"):
        await Asking(marble).ask(own, nonce=nonce, intermediate=above)
    await marble.renew()


async def test_an_intermediate_with_a_name_that_cannot_be_read_is_refused(
    world: World, coordinator: Coordinator
) -> None:
    """The certificate around it can be read, and is only then found odd."""
    marble = await Joined.join(world, coordinator)
    good = der(marble.given.intermediate)
    text = good.rindex(INTERMEDIATE_NAME.encode())
    for tag in (b"\x02", b"\xff"):
        with pytest.raises(NotRenewable):
            await Asking(marble).ask(intermediate=good[: text - 2] + tag + good[text - 1 :])
    await Asking(marble).ask(intermediate=good)


async def test_a_certificate_that_has_ended_renews_nothing(
    world: World, coordinator: Coordinator, clock: Clock
) -> None:
    marble = await Joined.join(world, coordinator)
    clock.now += HOUR + timedelta(seconds=1)
    with pytest.raises(NotRenewable, match="expired at"):
        await marble.renew()
    clock.now -= timedelta(seconds=2)
    await marble.renew()


async def test_a_certificate_of_another_deployment_renews_nothing(
    world: World, alice: Person, coordinator: Coordinator, clock: Clock
) -> None:
    elsewhere = world.coordinator(MemoryStorage(), clock=clock)
    await elsewhere.set_manifest(manifest(world, alice))
    marble = await Joined.join(world, elsewhere)
    with pytest.raises(NotRenewable):
        await Asking(marble, coordinator).ask()
    await marble.renew()
    await elsewhere.close()


async def test_another_program_is_refused_with_what_the_manifest_wants(
    world: World, coordinator: Coordinator, tmp_path: Path
) -> None:
    marble = await Joined.join(world, coordinator)
    changed = tmp_path / "program.py"
    changed.write_text("print('another program')\n")
    asking = Asking(marble)
    simulation = {"ENCLASP_SIMULATION": str(world.folder / "simulation")}
    evidence = find_issuer(simulation, [str(changed)]).issue(asking.bound.report_data).raw
    with pytest.raises(NotAttested, match=r"tdx\.mrtd"):
        await asking.ask(evidence=evidence)
    await asking.ask()


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"sealing_key": SealingKey.generate().public}, NotAttested),
        ({"nonce": b""}, NotFresh),
        ({"evidence": b""}, NotAttested),
        ({"intermediate": b""}, NotRenewable),
        ({"sealing_key": b"\xff" * SEALING_KEY_BYTES}, Refused),
    ],
    ids=["another sealing key", "no nonce", "no evidence", "no intermediate", "no key at all"],
)
async def test_nothing_can_be_changed_after_the_evidence_was_made(
    world: World, coordinator: Coordinator, changed: dict[str, Any], error: type[Refused]
) -> None:
    asking = Asking(await Joined.join(world, coordinator))
    with pytest.raises(error):
        await asking.ask(**changed)
    await asking.ask()


async def test_a_key_that_was_not_attested_is_refused(world: World, coordinator: Coordinator) -> None:
    """The certificate of another marble in the connection, with evidence of this one: relayed, or a stolen key."""
    marble, other = await Joined.join(world, coordinator), await Joined.join(world, coordinator, "other")
    asking, shown = Asking(marble), der(other.given.leaf)
    with pytest.raises(NotFresh, match="for the connection's certificate"):
        await asking.ask(shown)
    with pytest.raises(NotAttested, match="report-data"):
        await asking.ask(shown, nonce=coordinator.challenge(shown).nonce)
    await asking.ask()


async def test_evidence_of_a_join_is_none_of_a_renewal(world: World, coordinator: Coordinator) -> None:
    asking = Asking(await Joined.join(world, coordinator))
    join = JoinRequest(asking.request.nonce, b"", b"", asking.request.sealing_key, "web", marble_client.UUID)
    bound = join.bound(asking.certificate, asking.root_spki)
    with pytest.raises(NotAttested, match="report-data"):
        await asking.ask(evidence=world.marble.quote(bound.report_data))


async def test_a_renewal_that_comes_late_or_twice_is_refused(
    world: World, coordinator: Coordinator, clock: Clock
) -> None:
    marble = await Joined.join(world, coordinator)
    asking = Asking(marble)
    await asking.ask()
    with pytest.raises(EvidenceReused):
        await asking.ask()
    late = Asking(marble)
    clock.now += LIFETIME + timedelta(seconds=1)
    with pytest.raises(NotFresh):
        await late.ask()
    await marble.renew()


async def test_without_a_certificate_there_is_no_renewal(world: World, coordinator: Coordinator) -> None:
    asking = Asking(await Joined.join(world, coordinator))
    with pytest.raises(NoCertificate):
        await coordinator.renew(asking.request, None)


# Updates


async def test_after_an_update_it_gets_the_new_chain_and_status_shows_it_as_moved(
    world: World, alice: Person, coordinator: Coordinator
) -> None:
    """Without an overlap too: marbles of after the update do not believe its certificate; it still says who it is."""
    marble = await Joined.join(world, coordinator)
    assert "web" == coordinator.hierarchy().trusted[0].marbles[0].marble
    await coordinator.updates.update(alice.der, manifest(world, alice, new={"Package": "tdx"}), ())
    stands = coordinator.hierarchy()
    assert (1, 0) == (len(stands.cut_off), len(stands.trusted[0].marbles))
    old = marble.given.intermediate
    after = await marble.renew()
    assert old.public_key() != marble.given.intermediate.public_key()
    assert marble.given.marble_root == coordinator.authority.marble_root
    assert marble.given.marble_root == x509.load_pem_x509_certificate(after.files["/run/peers.crt"])
    stands = coordinator.hierarchy()
    assert ([], ["web"]) == (list(stands.cut_off), [one.marble for one in stands.trusted[0].marbles])
    await marble.renew()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda document: document["Marbles"].pop("web"), UnknownMarble),
        (lambda document: document["Packages"]["tdx"]["TDX"].update(MRTD="ab" * 48), NotAttested),
    ],
    ids=["its type is gone", "its program is not admitted any more"],
)
async def test_an_update_that_locks_it_out_ends_renewal(
    world: World, alice: Person, coordinator: Coordinator, change: Any, error: type[Refused]
) -> None:
    marble = await Joined.join(world, coordinator)
    document = json.loads(manifest(world, alice))
    change(document)
    await coordinator.updates.update(alice.der, world.manifest(**document), ())
    with pytest.raises(error):
        await marble.renew()


async def test_a_manifest_that_changes_while_it_renews_is_not_mixed_with_the_old_one(
    world: World, alice: Person, coordinator: Coordinator, clock: Clock
) -> None:
    """Between the look at its evidence and the decision there is time for an update: an RSA key takes seconds."""

    def state() -> State:
        return State(Phase.ACCEPTING_MARBLES, coordinator.authority, coordinator.manifest())

    def give(state: State) -> Parameters:
        texts = AuthorityTexts(state.authority)
        return renew_marble(state, renewal, keys, texts, now=clock.now, entropy=random.Random(1).randbytes).parameters

    deployment, asking = coordinator.manifest(), Asking(await Joined.join(world, coordinator))
    bearer = find_bearer(state(), asking.certificate, asking.request.intermediate, now=clock.now)
    shown = recognise(asking.request.evidence)
    attested = world.verifier.verify(shown, asking.bound, now=clock.now).attested()
    renewal = Renewal(bearer, deployment.manifest.marbles["web"], deployment.packages["tdx"], attested)
    keys = Keys(generate_p384(), {"own": make_key(deployment.manifest.secrets["own"])})
    assert give(state()).files
    await coordinator.updates.update(alice.der, manifest(world, alice, new={"Package": "tdx"}), ())
    with pytest.raises(RequestInvalid, match="changed while it renewed"):
        give(state())


class SlowDisk(MemoryStorage):
    """Writes wait while the gate is closed, and fail where it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.full = threading.Event(), False
        self.gate.set()

    def append(self, records: Sequence[bytes], *, expected_head: int) -> None:
        self.gate.wait(10)
        if self.full:
            raise StorageFailed("disk", "append", "full")
        super().append(records, expected_head=expected_head)


@pytest.mark.parametrize("full", [False, True], ids=["the update is durable", "the update is lost"])
async def test_nobody_has_certificates_of_an_update_that_a_crash_forgets(
    world: World, alice: Person, clock: Clock, full: bool
) -> None:
    disk = SlowDisk()
    coordinator = world.coordinator(disk, clock=clock)
    await coordinator.set_manifest(manifest(world, alice))
    marble, before = await Joined.join(world, coordinator), coordinator.authority
    disk.gate.clear()
    update = asyncio.ensure_future(
        coordinator.updates.update(alice.der, manifest(world, alice, new={"Package": "tdx"}), ())
    )
    while coordinator.authority is before:
        await asyncio.sleep(0.01)
    asking = Asking(marble)
    renewal = asyncio.ensure_future(asking.ask())
    await asyncio.wait((renewal,), timeout=0.5)  # it would be done by now, if it did not wait for the disk
    disk.full = full
    disk.gate.set()
    if full:
        with pytest.raises(NotServing):
            await renewal
    else:
        marble.take(await renewal)
        assert marble.given.marble_root == coordinator.authority.marble_root
    await asyncio.gather(update, return_exceptions=True)
    await coordinator.close()


# What is kept


async def test_renewals_of_a_while_are_one_record_and_a_restart_knows_them(
    world: World, coordinator: Coordinator, clock: Clock, storage: MemoryStorage
) -> None:
    marble, other = await Joined.join(world, coordinator), await Joined.join(world, coordinator, "other")
    records = coordinator.journal_standing(b"", None)[0].sequence
    for _ in range(3):
        clock.now += timedelta(minutes=10)
        await marble.renew()
        await other.renew()
    assert records == coordinator.journal_standing(b"", None)[0].sequence
    seen = coordinator.marbles(10, "")
    assert {"web", "other"} == {one.marble for one in seen.newest}
    await coordinator.close()
    again = world.coordinator(storage, clock=clock)
    assert records + 1 == again.journal_standing(b"", None)[0].sequence
    assert seen == again.marbles(10, "")
    (web,) = again.marbles(10, "web").newest
    assert (web.until_ms, web.renewed_ms) == (
        leaf_of(marble.parameters).not_valid_after_utc.timestamp() * 1000,
        int(clock.now.timestamp() * 1000),
    )
    assert web.activated_ms == web.renewed_ms - 30 * 60 * 1000
    await again.close()


async def test_a_crash_loses_no_right_to_renew(
    world: World, coordinator: Coordinator, clock: Clock, storage: MemoryStorage
) -> None:
    """What was not written is a matter of looks: the marble's certificate speaks for itself."""
    marble = await Joined.join(world, coordinator)
    clock.now += HOUR / 2
    await marble.renew()
    again = world.coordinator(storage, clock=clock)
    assert 0 == again.marbles(1, "web").newest[0].renewed_ms
    stale = Asking(marble)
    with pytest.raises(NotFresh, match="of this coordinator"):
        await again.renew(stale.request, stale.certificate)
    marble.coordinator = again
    await marble.renew()
    assert int(clock.now.timestamp() * 1000) == again.marbles(1, "web").newest[0].renewed_ms
    await again.close()
