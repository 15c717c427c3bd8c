"""The one table of message codes, from every room that has some."""

from collections.abc import Mapping
from typing import Final

from attestation.codes import CODES as ATTESTATION
from coordinator.cli.codes import CODES as COMMAND_LINE
from coordinator.client.codes import CODES as CLIENT
from coordinator.codes import Message, merge
from coordinator.decisions.errors import CODES as DECISIONS
from coordinator.journal.codes import CODES as JOURNAL
from coordinator.manifest.codes import CODES as MANIFEST
from marble.codes import CODES as MARBLE

_ROOMS: Final = (ATTESTATION, MANIFEST, DECISIONS, MARBLE, JOURNAL, CLIENT, COMMAND_LINE)

MESSAGES: Final[Mapping[str, Message]] = merge(_ROOMS)
