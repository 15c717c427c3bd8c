"""The log says in time that collateral ends."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from attestation.freshness import Part
from attestation.kinds import Kind
from coordinator.collateral import say_collateral
from coordinator.observe import Observer

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def part(days: int) -> Part:
    return Part(Kind.TDX, "FMSPC 00", f"TCB info {days}", NOON - timedelta(days=20), NOON + timedelta(days=days))


def said(parts: Sequence[Part], caplog: pytest.LogCaptureFixture) -> tuple[list[str], str]:
    observer = Observer("0")
    caplog.clear()
    say_collateral(parts, observer, NOON)
    lines = [json.dumps(getattr(record, "fields", {})) for record in caplog.records if record.levelname == "WARNING"]
    (metric,) = [line for line in observer.meters.scrape().decode().splitlines() if line.startswith(METRIC)]
    return lines, metric.split()[-1]


METRIC = "coordinator_collateral_next_update_timestamp_seconds"


def test_what_is_good_for_long_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    lines, first = said([part(20), part(9)], caplog)
    assert [] == lines
    assert (NOON + timedelta(days=9)).timestamp() == float(first)


def test_what_ends_within_a_week_or_has_ended_is_named(caplog: pytest.LogCaptureFixture) -> None:
    lines, _ = said([part(20), part(6), part(-3)], caplog)
    assert 2 == len(lines)
    assert "TCB info 6: ENDS SOON" in lines[0]
    assert "TCB info -3: EXPIRED" in lines[1]


def test_without_collateral_there_is_nothing_to_say(caplog: pytest.LogCaptureFixture) -> None:
    assert ([], "0.0") == said([], caplog)
