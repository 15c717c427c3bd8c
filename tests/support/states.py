"""A State as a manifest makes it, for tests of decisions: by its events, without a process or a journal."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from attestation.evidence import Evidence
from attestation.kinds import Kind
from coordinator.authority import AuthorityKeys, RootContent, issue_authority
from coordinator.state.events import LANGUAGE_VERSION, Event, Founded, ManifestSet
from coordinator.state.model import State
from coordinator.state.replay import issued_event, replay_all
from pki.keys import generate_p384, private_der

NOON: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
DOCUMENT: Final[dict[str, Any]] = {
    "Packages": {"p": {"UniqueID": "ab" * 32}},
    "Marbles": {"web": {"Package": "p"}},
}


def founding_events(document: dict[str, Any]) -> tuple[Event, ...]:
    """What a journal of a Coordinator with this manifest begins with."""
    content = RootContent(b"", Evidence(Kind.TDX, b"evidence of tests"))
    keys = AuthorityKeys(generate_p384(), generate_p384())
    authority = issue_authority(keys, ("localhost",), content, now=NOON, serials=(1, 2, 3))
    raw = json.dumps(document).encode()
    return (
        Founded(private_der(authority.root_key), authority.names),
        issued_event(authority),
        ManifestSet(int(NOON.timestamp() * 1000), raw, LANGUAGE_VERSION, False, bytes(32), {}, b"signature"),
    )


def deployed_state(**changes: Any) -> State:
    """A State with a small manifest.  changes: its top-level keys, over those of DOCUMENT."""
    return replay_all(founding_events(DOCUMENT | changes))
