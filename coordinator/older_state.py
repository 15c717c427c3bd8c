"""A state that may not be the newest: what speaks against it, who may accept it, and what is remembered of that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from coordinator.journal.glimpses import NOTHING_SEEN, Glimpse, Glimpses
from coordinator.journal.journal import Journal
from coordinator.journal.restoration import Restoration
from coordinator.journal.witness import Head
from coordinator.state.events import Event, OlderStateAccepted, OwnersWord, StateRestored
from coordinator.state.model import State
from coordinator.state.replay import STATE_RESTORED


@dataclass(frozen=True, slots=True)
class Objections:
    """What speaks against an opened state.

    head: its last record.  witness: what those who remember say, empty for nothing.  note: that it was restored, or is
    to be accepted, in the operator's words; None if there is none that the update log has not.
    known: the highest number of an acceptance that this state and replica know of (State, accepted).
    """

    head: Head
    witness: str
    note: Restoration | None
    known: int = 0

    @property
    def text(self) -> str:
        """For people, and what owners sign; empty if nothing speaks against the state."""
        said = [self.witness] if self.witness else []
        if self.note is not None:
            said.append(f"it was put back as of record {self.note.sequence}: {self.note.reason}")
        return "; ".join(said)


def objections(
    state: State, journal: Journal, note: Restoration | None, glimpses: Glimpses = NOTHING_SEEN
) -> Objections:
    """What speaks against a state that was opened.

    note: as it stands beside the journal.  glimpses: what this replica saw while another one led.
    """
    deployment = state.deployment
    if deployment is None:
        return Objections(journal.head, journal.doubt, note)
    said = note is not None and any(
        entry.update == STATE_RESTORED and entry.details.get("restored") == note.time_ms for entry in deployment.log
    )
    doubt = glimpses.doubt(Glimpse(journal.journal_id, journal.head, deployment.accepted), journal.link_at)
    seen = glimpses.of(journal.journal_id)
    return Objections(
        journal.head,
        "; ".join(text for text in (journal.doubt, doubt) if text),
        None if said else note,
        max(deployment.accepted, 0 if seen is None else seen.accepted),
    )


def may_serve(state: State, found: Objections) -> bool:
    """Whether it may be served without anybody else's word.

    Owners of recovery keys, where there are some, have the last word.  Without them the operator's note is enough: it
    is the host's word, so it makes the act visible and no more.
    """
    if state.deployment is None or not found.text:
        return True
    return state.deployment.custody is None and found.note is not None


def accepted(found: Objections, words: Mapping[str, bytes], *, now: datetime, nonce: bytes = b"") -> tuple[Event, ...]:
    """What is remembered when it is served all the same; nothing where nothing speaks against it.

    words: signatures of its owners, by name.  nonce: what they were asked with; empty where they gave shares.
    """
    now_ms, note = int(now.timestamp() * 1000), found.note
    events: list[Event] = []
    if found.witness or words:
        approvals = tuple(OwnersWord(owner, words[owner]) for owner in sorted(words))
        head, number = found.head, found.known + 1 if found.known >= now_ms else 0
        events.append(OlderStateAccepted(now_ms, head.sequence, head.link, found.text, approvals, nonce, number))
    if note is not None:
        events.append(StateRestored(now_ms, note.time_ms, note.sequence, note.reason))
    return tuple(events)
