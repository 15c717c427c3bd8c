"""Every message code, in one table: what it means, and what to do.  `enclasp explain CODE` prints it.

E0xx manifest, V1xx evidence, A2xx activation, N3xx network and collateral, R4xx sealing and recovery,
U5xx people and updates (design.md, 9).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Message:
    """title: one line.  hint: what to do next.  text: a paragraph for `enclasp explain`."""

    title: str
    hint: str
    text: str = ""


CODES: Final[Mapping[str, Message]] = {}
