"""A key source that others can use, too, opens what they sealed with it: only where the manifest says that it may."""

import logging
from typing import ClassVar

import pytest

from attestation.errors import NoSealingKey
from attestation.kinds import Kind
from attestation.simulation.device import SimulatedIssuer
from coordinator.config import Config
from coordinator.decisions.errors import KeeperNotNamed
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.source import Environment as KeyOfEnvironment
from coordinator.journal.sources import Sources, name_of_machine
from coordinator.journal.sqlite import SqliteStorage
from coordinator.observe import Observer
from coordinator.service import Coordinator
from coordinator.startup import say_who_keeps_the_key
from coordinator.state.phase import Phase
from tests.support.replica_house import House, draw

BOTH = "Config: {KeySources: [Platform, PKCS11]}\n"


class HostsToken:
    """A token whose PIN the host has, too."""

    name: ClassVar[str] = "pkcs11"

    def __init__(self, host: SimulatedIssuer) -> None:
        self._key = KeyOfEnvironment(host, draw)

    def wrap(self, data_key: DataKey, mode: str, journal_id: JournalId) -> bytes:
        return self._key.wrap(data_key, mode, journal_id)

    def unwrap(self, wrapped: bytes, journal_id: JournalId) -> DataKey:
        return self._key.unwrap(wrapped, journal_id)


async def forged(
    house: House, manifest: bytes, victim: SimulatedIssuer, token: HostsToken, host: SimulatedIssuer
) -> None:
    """A state with this manifest whose root key the host knows, sealed with the token for the victim's machine."""
    coordinator = Coordinator(house.environment(host, None, token))
    await coordinator.set_manifest(manifest)
    held = coordinator._desk.held
    assert held is not None
    await coordinator.close()
    ((slot, wrapped),) = Sources((token,), name_of_machine(victim)).wrap(held, "ProductKey", ["pkcs11"]).items()
    storage = SqliteStorage(house.folder / "state")
    storage.put_meta({f"key/{slot}": wrapped})
    storage.close()


@pytest.mark.parametrize("named", [False, True], ids=["platform alone", "the token too"])
async def test_a_state_that_the_host_sealed_with_a_token_is_served_only_where_the_manifest_names_the_token(
    house: House, named: bool
) -> None:
    victim, host = house.issuer(), house.issuer(machine=house.another_machine())
    token = HostsToken(host)
    await forged(house, house.manifest(more=BOTH if named else ""), victim, token, host)
    environment = house.environment(victim, None, token)
    if named:
        coordinator = Coordinator(environment)
        assert Phase.ACCEPTING_MARBLES is coordinator.phase, "that is what those agreed to who approved this manifest"
        await coordinator.close()
        return
    with pytest.raises(KeeperNotNamed, match=r"Config.KeySources: Platform\), got one that PKCS11 opened") as refused:
        Coordinator(environment)
    assert "R525" == refused.value.code


class NoKey(SimulatedIssuer):
    """As TDX, which derives no key for its guests."""

    def sealing_key(self, mode: str) -> bytes:
        raise NoSealingKey("a TDX module derives no key for a trust domain")


@pytest.mark.parametrize(
    ("config", "sealed", "said"),
    [
        (Config(tpm="device:/dev/tpmrm0", pkcs11_module="/lib/token.so"), False, ["TPM", "PKCS11"]),
        (Config(pkcs11_module="/lib/token.so"), False, ["PKCS11"]),
        (Config(tpm="device:/dev/tpmrm0"), True, []),
        (Config(), False, []),
    ],
    ids=["both", "a token", "beside the platform's key", "nothing at all"],
)
def test_a_coordinator_says_at_its_start_that_only_what_the_host_may_control_keeps_its_key(
    house: House, caplog: pytest.LogCaptureFixture, config: Config, sealed: bool, said: list[str]
) -> None:
    issuer = house.issuer()
    if not sealed:
        issuer = NoKey(house.folder / "simulation", Kind.TDX, [str(house.folder / "coordinator.py")])
    with caplog.at_level(logging.WARNING):
        say_who_keeps_the_key(config, issuer, Observer("test"))
    keepers = [source for record in caplog.records for source in vars(record)["fields"]["keepers"]]
    assert said == keepers
    assert bool(said) is ("whoever can use that can read the state, and put one of his own in its place" in caplog.text)
