"""What a message code is.  Each room has its table (`codes.py`: code -> title, hint); the command line merges them.

E0xx manifest, V1xx evidence, A2xx activation, N3xx network and collateral, R4xx sealing and recovery,
U5xx people and updates (design.md, 9).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

RoomCodes: TypeAlias = Mapping[str, tuple[str, str]]

FAMILIES: Final[Mapping[str, str]] = {
    "E0": "manifest",
    "V1": "verification of evidence",
    "A2": "activation of a marble",
    "N3": "network and collateral",
    "R4": "sealing and recovery",
    "U5": "people, files and updates",
}


@dataclass(frozen=True, slots=True)
class Message:
    """title: one line, what it means.  hint: what to do next."""

    code: str
    title: str
    hint: str

    @property
    def family(self) -> str:
        """What codes of this kind are about, in words."""
        return FAMILIES[self.code[:2]]


def merge(tables: Iterable[RoomCodes]) -> Mapping[str, Message]:
    """One table of all rooms' codes, in the order of the codes.  Raises ValueError if two rooms use one code."""
    merged: dict[str, Message] = {}
    for table in tables:
        for code, (title, hint) in table.items():
            known = merged.get(code)
            if known is not None and (known.title, known.hint) != (title, hint):
                raise ValueError(f"message code {code}: two meanings, '{known.title}' and '{title}'")
            merged[code] = Message(code, title, hint)
    return dict(sorted(merged.items()))
