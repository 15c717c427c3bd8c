"""A follower looks where its leader's journal ends, and knows an older state when it leads: all over real sockets."""

import asyncio
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.journal.errors import JournalGone
from coordinator.journal.glimpses import NOTHING_SEEN, Glimpse
from coordinator.journal.restoration import RESTORED, Restoration, encode_restoration
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.witness import Head
from coordinator.older_state import Objections, accepted
from coordinator.recovery.approval import approval_statement
from coordinator.service import Coordinator
from coordinator.state.events import CounterRaised
from coordinator.state.model import State
from coordinator.state.phase import Phase
from coordinator.state.replay import OLDER_STATE_ACCEPTED, condense, replay, replay_all
from coordinator.successor import Successor
from tests.coordinator.test_succession import follower, front_door
from tests.support.owners import OwnerOfShare, owner
from tests.support.replica_house import House, leader
from tests.support.states import deployed_state


@pytest.fixture(scope="module")
def state() -> State:
    return deployed_state()


class Cluster:
    """One state that several coordinators lead, one after the other, and a follower with a memory."""

    def __init__(self, house: House) -> None:
        self.house, self.follower = house, follower(house, house.issuer(machine=house.another_machine()))

    def keep(self, name: str) -> None:
        """The state as it is now, for later."""
        shutil.copytree(self.house.folder / "state", self.house.folder / name)

    def put_back(self, name: str) -> None:
        shutil.rmtree(self.house.folder / "state")
        shutil.copytree(self.house.folder / name, self.house.folder / "state")

    def lead(self, knowing: Successor | None = None) -> Coordinator:
        """A coordinator of this state.  knowing: the follower that it was until now; None for a new process."""
        environment = self.house.environment(self.house.issuer())
        glimpses = NOTHING_SEEN if knowing is None else knowing.glimpses
        return Coordinator(replace(environment, glimpses=glimpses))

    async def looks(self, leading: Coordinator, successor: Successor | None = None) -> Glimpse | None:
        """What the follower remembers after a look at this leader."""
        successor = successor or self.follower
        async with front_door(leading) as (host, port):
            assert await asyncio.to_thread(successor.learn, host, port)
        return successor.glimpses.seen[-1] if successor.glimpses.seen else None


async def write(coordinator: Coordinator, value: int) -> None:
    await coordinator._desk.enact((CounterRaised(1, "web", "uuid", "n", value),))


async def begun(house: House, *owners: OwnerOfShare) -> Cluster:
    """The states `first` and `second`, one record apart; the follower has seen the second."""
    keys = {one.name: one.pem for one in owners}
    cluster = Cluster(house)
    async with leader(house, house.manifest(more=f"RecoveryKeys: {json.dumps(keys)}\n" if keys else "")):
        pass
    cluster.keep("first")
    coordinator = cluster.lead()
    await write(coordinator, 1)
    seen = await cluster.looks(coordinator)
    assert seen is not None
    assert (coordinator._desk._journal.head, 0) == (seen.head, seen.accepted)
    await coordinator.close()
    cluster.keep("second")
    return cluster


async def test_a_state_that_goes_on_is_served_and_the_status_says_what_was_known(house: House) -> None:
    cluster = await begun(house)
    coordinator = cluster.lead()
    assert (Phase.ACCEPTING_MARBLES, None) == (coordinator.phase, coordinator.known), "who was not there knows nothing"
    await write(coordinator, 2)
    await coordinator.close()
    coordinator = cluster.lead(cluster.follower)
    assert Phase.ACCEPTING_MARBLES is coordinator.phase, "a record after the last look is no other state"
    assert cluster.follower.glimpses.seen[-1].head.sequence == coordinator.known
    await coordinator.close()


async def test_where_a_state_was_seen_none_is_no_new_beginning(house: House) -> None:
    cluster = await begun(house)
    shutil.rmtree(house.folder / "state")
    with pytest.raises(JournalGone, match="seen up to record 3, got none") as refused:
        cluster.lead(cluster.follower)
    assert ("R499", True) == (refused.value.code, "scale to none" in str(refused.value))
    shutil.rmtree(house.folder / "state")
    coordinator = cluster.lead()
    assert Phase.ACCEPTING_MANIFEST is coordinator.phase, "who saw none begins anew"
    await coordinator.close()


async def test_an_older_state_waits_until_its_owner_approves_it_and_then_it_is_the_one_that_counts(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    ada = owner(house.folder, "ada", kind="ec")
    cluster = await begun(house, ada)
    another = follower(house, house.issuer())
    coordinator = cluster.lead()
    assert await cluster.looks(coordinator, another) == cluster.follower.glimpses.seen[-1]
    await coordinator.close()
    newer = cluster.follower.glimpses.seen[-1].head.sequence
    cluster.put_back("first")

    coordinator = cluster.lead(cluster.follower)
    assert Phase.RECOVERY is coordinator.phase
    standing = coordinator.recovery.standing()
    assert standing.waiting is not None
    assert f"this replica remembers record {newer}, and it ends with record {newer - 1}" == standing.doubt
    assert standing.doubt in coordinator.message
    assert "R490 the state is not served" in caplog.text
    word = ada.opener.prove(approval_statement(standing.waiting, standing.doubt, standing.nonce), b"")
    assert 0 == await coordinator.recovery.approve("ada", standing.waiting, word)
    assert (Phase.ACCEPTING_MARBLES, newer) == (coordinator.phase, coordinator.known)
    assert OLDER_STATE_ACCEPTED == coordinator.update_log()[-1].update
    seen = await cluster.looks(coordinator, another)
    assert seen is not None
    assert coordinator.manifest().accepted == seen.accepted > 0
    assert coordinator._desk._journal.head == seen.head, "who saw the newer one forgets it"
    assert "R497" not in caplog.text
    await coordinator.close()
    for knowing in (another, cluster.follower):
        again = cluster.lead(knowing)
        assert Phase.ACCEPTING_MARBLES is again.phase, "approved once and for all"
        await again.close()
    cluster.put_back("second")
    fork = cluster.lead(another)
    assert Phase.RECOVERY is fork.phase, "the state that was given up does not come back in silence"
    await fork.close()


async def test_without_recovery_keys_the_operators_note_is_enough_and_is_in_the_log(house: House) -> None:
    cluster = await begun(house)
    cluster.put_back("first")
    coordinator = cluster.lead(cluster.follower)
    assert (Phase.RECOVERY, True) == (coordinator.phase, "the operator may approve this one" in coordinator.message)
    await coordinator.close()
    storage = SqliteStorage(house.folder / "state")
    storage.put_meta({RESTORED: encode_restoration(Restoration("etcd was restored", 7, 1))})
    storage.close()
    coordinator = cluster.lead(cluster.follower)
    assert Phase.ACCEPTING_MARBLES is coordinator.phase
    accepted, said = coordinator.update_log()[-2:]
    assert "this replica remembers record" in str(accepted.details["why"])
    assert "etcd was restored" == said.details["reason"]
    await coordinator.close()


async def test_a_leader_that_serves_an_older_state_is_named_once_and_changes_nothing_in_what_is_remembered(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = await begun(house)
    before = cluster.follower.glimpses
    cluster.put_back("first")
    forgetful = cluster.lead()
    for value in range(3):
        await cluster.looks(forgetful)
        await write(forgetful, value)
    assert before == cluster.follower.glimpses
    assert 1 == caplog.text.count("R497 the leader's state does not go on from what was seen of it")
    await forgetful.close()
    cluster.put_back("second")
    right = cluster.lead()
    await write(right, 2)
    seen = await cluster.looks(right)
    assert seen is not None
    assert right._desk._journal.head == seen.head
    await right.close()


async def test_an_acceptance_counts_more_than_all_that_anybody_remembers(house: House) -> None:
    """Of another branch, too: else those who saw that one would ask for approval again."""
    cluster = await begun(house)
    remembered = cluster.follower.glimpses.seen[-1]
    later = replace(remembered.head, sequence=remembered.head.sequence + 9)
    future = int(house.now.timestamp() * 1000) + 10**12
    cluster.follower.glimpses = NOTHING_SEEN.plus(Glimpse(remembered.journal_id, later, future))
    storage = SqliteStorage(house.folder / "state")
    storage.put_meta({RESTORED: encode_restoration(Restoration("why", 7, 1))})
    storage.close()
    coordinator = cluster.lead(cluster.follower)
    assert future + 2 == coordinator.manifest().accepted, "the next one by who remembers, and the note's own"
    again = replay_all(condense(coordinator._desk.state)).deployment
    assert again is not None
    assert future + 2 == again.accepted, "a snapshot keeps it"
    seen = await cluster.looks(coordinator)
    assert seen is not None
    assert future + 2 == seen.accepted
    await coordinator.close()


@pytest.mark.parametrize("noted", [False, True], ids=["approved", "approved and noted"])
@given(own=st.integers(0, 99), remembered=st.integers(0, 99), second=st.integers(0, 99))
def test_of_two_acceptances_the_later_one_has_the_higher_number_by_the_clock_and_by_what_was_known(
    state: State, noted: bool, own: int, remembered: int, second: int
) -> None:
    """A clock that tells the truth is enough; where it does not, what state and replica know is."""
    assert state.deployment is not None
    before = replace(state, deployment=replace(state.deployment, accepted=own * 1000))
    note = Restoration("why", 7, 1) if noted else None
    against = Objections(Head(3, b"l" * 32), "a witness", note, max(own, remembered) * 1000)
    after = before
    for event in accepted(against, {}, now=datetime.fromtimestamp(second, UTC)):
        after = replay(after, event)
    assert after.deployment is not None
    assert after.deployment.accepted > max(own, remembered) * 1000
    assert after.deployment.accepted >= second * 1000


async def test_another_root_key_at_the_leaders_door_is_proven_before_it_is_believed(house: House) -> None:
    cluster = await begun(house)
    before = cluster.follower.glimpses.seen
    shutil.rmtree(house.folder / "state")
    async with leader(house) as coordinator:
        after = await cluster.looks(coordinator)
        assert cluster.follower.glimpses.seen == before, "the first look only finds that the pin does not hold"
        after = await cluster.looks(coordinator)
        assert after is not None
        assert (*before, after) == cluster.follower.glimpses.seen
    cluster.put_back("second")
    coordinator = cluster.lead(cluster.follower)
    assert f"this replica has seen journal {after.journal_id.hex()} in its place" in coordinator.message
    await coordinator.close()
