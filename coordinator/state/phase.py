"""The phases of a Coordinator, and the table of what each of them admits.  What is not in the table is refused."""

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import Final


class Phase(IntEnum):
    """Numbers and meaning are MarbleRun's status codes (contract 1.3)."""

    RECOVERY = 1
    ACCEPTING_MANIFEST = 2
    ACCEPTING_MARBLES = 3

    @property
    def message(self) -> str:
        """What `GET /status` says of this phase."""
        return _MESSAGES[self]


class Ask(Enum):
    """Everything that somebody can ask of a Coordinator."""

    STATUS = "status"
    QUOTE = "quote"
    READ_MANIFEST = "manifest get"
    SET_MANIFEST = "manifest set"
    ACTIVATE = "activation"
    READ_SECRETS = "secret get"
    WRITE_SECRETS = "secret set"
    READ_LOG = "manifest log"
    RECOVER = "recovery"
    REHEARSE = "recovery rehearse"
    HAND_OVER = "replica key"
    SIGN_QUOTE = "sign-quote"
    RAISE_COUNTER = "monotonic counter"
    UPDATE = "manifest update"


ADMITS: Final[Mapping[Phase, frozenset[Ask]]] = {
    Phase.RECOVERY: frozenset({Ask.STATUS, Ask.QUOTE, Ask.SET_MANIFEST, Ask.RECOVER}),
    Phase.ACCEPTING_MANIFEST: frozenset({Ask.STATUS, Ask.QUOTE, Ask.SET_MANIFEST}),
    Phase.ACCEPTING_MARBLES: frozenset(
        {
            Ask.STATUS,
            Ask.QUOTE,
            Ask.READ_MANIFEST,
            Ask.ACTIVATE,
            Ask.READ_SECRETS,
            Ask.WRITE_SECRETS,
            Ask.READ_LOG,
            Ask.REHEARSE,
            Ask.HAND_OVER,
            Ask.SIGN_QUOTE,
            Ask.RAISE_COUNTER,
            Ask.UPDATE,
        }
    ),
}

_MESSAGES: Final[Mapping[Phase, str]] = {
    Phase.RECOVERY: "Coordinator is in recovery: its sealed state could not be opened with this machine's key. "
    "Upload recovery shares, restore the key source, or set a new manifest (the old state is kept aside).",
    Phase.ACCEPTING_MANIFEST: "Coordinator is ready to accept a manifest.",
    Phase.ACCEPTING_MARBLES: "Coordinator is running correctly and ready to accept marbles.",
}
