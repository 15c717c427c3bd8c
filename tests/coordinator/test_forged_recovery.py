"""A host that writes a whole journal, under a manifest that others agreed on, and splits its key among friends; and one
that exchanges a state while its owners recover it."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.clerks.manifests import custody_of
from coordinator.decisions.errors import RecoveryRefused
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId, wrap
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.source import Environment as KeyOfEnvironment
from coordinator.journal.sources import name_of_machine
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.vault import RECOVERY, Opened, Vault
from coordinator.recovery.gathering import Submission
from coordinator.recovery.plan import encode_plan
from coordinator.recovery.prepare import Prepared, prepare
from coordinator.recovery.statement import WaitingState, statement
from coordinator.service import Coordinator
from coordinator.state.events import RecoveryPrepared, RecoveryRehearsed, decode_event, encode_event
from coordinator.state.phase import Phase
from coordinator.state.replay import prepared_event
from tests.support.owners import OwnerOfShare, owner
from tests.support.replica_house import House, draw, leader

ID = JournalId(b"journal-of-a-host"[:16])
KEY = DataKey(b"k" * 32)


async def journal_of(house: House, manifest: bytes) -> list[bytes]:
    """The records of a state that the host's own program made, whose root key the host knows."""
    async with leader(house, manifest, "of-the-host"):
        pass
    issuer = house.issuer("of-the-host")
    storage, sources = SqliteStorage(house.folder / "state"), (KeyOfEnvironment(issuer, draw),)
    found = Vault(storage, sources, draw, machine=name_of_machine(issuer)).open()
    assert isinstance(found, Opened)
    await found.journal.close()
    shutil.rmtree(house.folder / "state")
    return found.bodies


async def recovered(house: House, bodies: list[bytes], owners: list[OwnerOfShare]) -> Phase | RecoveryRefused:
    """What becomes of a genuine coordinator when these owners recover a journal that was split among them."""
    keys = {one.name: one.private.public_key() for one in owners}
    prepared = prepare(keys, 0, draw)
    records = [_with_owners(body, prepared) for body in bodies]
    wrapped = {RECOVERY: wrap(KEY, prepared.secret, RECOVERY, ID, draw(12))}
    storage = SqliteStorage(house.folder / "state")
    notes = {RECOVERY: encode_plan(prepared.plan)}
    journal = Journal.create(storage, KEY, records, journal_id=ID, wrapped_keys=wrapped, notes=notes, entropy=draw)
    head = journal.head
    await journal.close()
    coordinator = Coordinator(house.environment(house.issuer()))
    assert Phase.RECOVERY is coordinator.phase
    state = WaitingState(ID, head.sequence, head.link)
    try:
        for one in owners:
            share = one.opener.open(prepared.envelopes[one.name])
            proof = one.opener.prove(statement(state, share), share)
            await coordinator.recovery.submit(Submission(share, proof, state))
        return coordinator.phase
    except RecoveryRefused as refusal:
        assert Phase.RECOVERY is coordinator.phase
        return refusal
    finally:
        await coordinator.close()
        shutil.rmtree(house.folder / "state")


def _with_owners(body: bytes, prepared: Prepared) -> bytes:
    if isinstance(decode_event(body), RecoveryPrepared):
        return encode_event(prepared_event(custody_of(prepared)))
    return body


async def test_a_journal_is_recovered_by_the_owners_of_its_manifest_and_by_nobody_who_split_it_among_himself(
    house: House, tmp_path: Path
) -> None:
    named = [owner(tmp_path, name) for name in ("alice", "bob")]
    friends = [owner(tmp_path, name) for name in ("mallory", "oscar")]
    (tmp_path / "impostors").mkdir()
    impostors = [owner(tmp_path / "impostors", name) for name in ("alice", "bob")]
    keys = json.dumps({one.name: one.pem for one in named})
    bodies = await journal_of(house, house.manifest(more=f"RecoveryKeys: {keys}\n"))
    for others in (friends, impostors, named[:1]):
        refusal = await recovered(house, bodies, others)
        assert isinstance(refusal, RecoveryRefused)
        assert "other owners than its manifest" in str(refusal)
    assert Phase.ACCEPTING_MARBLES is await recovered(house, bodies, named)


class Disk(MemoryStorage):
    """A host's, who can put back what was there before while a coordinator uses it."""

    def put_back(self, older: "Disk") -> None:
        self.__dict__.update(copy.deepcopy(older.__dict__))


@pytest.mark.parametrize("exchanged", [False, True])
async def test_a_state_that_is_exchanged_while_its_owners_recover_another_one_is_not_opened(
    house: House, tmp_path: Path, exchanged: bool
) -> None:
    """They have signed for the newest; the host puts back an older one before the last share comes."""
    named = [owner(tmp_path, name) for name in ("alice", "bob")]
    keys = {one.name: one.private.public_key() for one in named}
    pems = json.dumps({one.name: one.pem for one in named})
    bodies = await journal_of(house, house.manifest(more=f"RecoveryKeys: {pems}\n"))
    prepared, disk = prepare(keys, 0, draw), Disk()
    wrapped = {RECOVERY: wrap(KEY, prepared.secret, RECOVERY, ID, draw(12))}
    notes = {RECOVERY: encode_plan(prepared.plan)}
    records = [_with_owners(body, prepared) for body in bodies]
    journal = Journal.create(disk, KEY, records, journal_id=ID, wrapped_keys=wrapped, notes=notes, entropy=draw)
    older = copy.deepcopy(disk)
    await journal.append([encode_event(RecoveryRehearsed(1, "alice"))])
    newest = WaitingState(ID, journal.head.sequence, journal.head.link)
    await journal.close()

    coordinator = Coordinator(replace(house.environment(house.issuer()), vault=Vault(disk, (), draw)))
    first, last = named
    for one in (first, last):
        share = one.opener.open(prepared.envelopes[one.name])
        given = Submission(share, one.opener.prove(statement(newest, share), share), newest)
        if one is last and exchanged:
            disk.put_back(older)
            with pytest.raises(RecoveryRefused, match="another one now"):
                await coordinator.recovery.submit(given)
        else:
            await coordinator.recovery.submit(given)
    assert (Phase.RECOVERY if exchanged else Phase.ACCEPTING_MARBLES) is coordinator.phase
    await coordinator.close()
