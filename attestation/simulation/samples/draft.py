"""A sample before it is written: what it is made of, so that a fault can change it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol, Self

from attestation.kinds import Kind
from attestation.simulation.measure import ProgramMeasurement

ENDED: Final = timedelta(hours=-1)
"""Validity of what has expired, from the time at which its vendor was made."""

OTHER_DATA: Final = b"\x5a" * 64
OTHER_PROGRAM: Final = ProgramMeasurement(b"\x5a" * 48)


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted.  report_data: 64 bytes.  now: aware.  nonce: beside the report data, where there is a place."""

    program: ProgramMeasurement
    report_data: bytes
    now: datetime
    nonce: bytes | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A sample's parts: evidence by file name (design.md, 9), and endorsements as a collateral bundle holds them."""

    evidence: Mapping[str, bytes]
    dcap: tuple[Mapping[str, str], ...] = ()
    sections: Mapping[Kind, tuple[object, ...]] = field(default_factory=dict)


class Draft(Protocol):
    """A platform's sample."""

    def with_fault(self, name: str) -> Self:
        """The same with a fault of this platform."""

    def write(self) -> Written:
        """Issue everything."""


def flipped(raw: bytes, position: int) -> bytes:
    """The same bytes, but for one bit; position: of its byte, from the end where it is negative."""
    position %= len(raw)
    return raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
