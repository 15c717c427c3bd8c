"""A bundle says how old it is, warns ahead of time, and says clearly when it is stale."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attestation.endorsements import Endorsements, encode_bundle, parse_bundle
from attestation.errors import EndorsementFormatError
from attestation.freshness import Part, State, gravest, parts_of, words
from attestation.kinds import Kind
from attestation.simulation.amd import new_amd
from attestation.simulation.vendor import SimulatedVendor

ISSUED = datetime(2026, 11, 1, 12, tzinfo=UTC)
PART = Part(Kind.TDX, "FMSPC 00, CA", "TCB info", ISSUED, ISSUED + timedelta(days=30))


@pytest.mark.parametrize(
    ("day", "state", "sentence"),
    [
        (0, State.CURRENT, "TCB info: 0 minutes old, good for 30 days more (2026-12-01 12:00 UTC)"),
        (22, State.CURRENT, "TCB info: 22 days old, good for 8 days more (2026-12-01 12:00 UTC)"),
        (23, State.ENDING, "TCB info: ENDS SOON: 23 days old, good for 7 days more (2026-12-01 12:00 UTC)"),
        (30, State.ENDING, "TCB info: ENDS SOON: 30 days old, good for 0 minutes more (2026-12-01 12:00 UTC)"),
        (
            31,
            State.STALE,
            "TCB info: EXPIRED: 31 days old, its next update was due 24 hours ago (2026-12-01 12:00 UTC)",
        ),
    ],
)
def test_a_part_is_current_then_ending_then_stale(day: int, state: State, sentence: str) -> None:
    now = ISSUED + timedelta(days=day)
    assert state is PART.state(now)
    assert sentence == PART.sentence(now)


def test_how_early_a_warning_comes_is_a_choice() -> None:
    now = ISSUED + timedelta(days=20)
    assert State.CURRENT is PART.state(now)
    assert State.ENDING is PART.state(now, timedelta(days=10))


def test_a_part_without_dates_is_the_gravest() -> None:
    unreadable = Part(Kind.TDX, "FMSPC 00, CA", "QE identity", None, None)
    assert State.UNREADABLE is gravest((PART, unreadable, PART), ISSUED)
    assert "QE identity: its dates cannot be read" == unreadable.sentence(ISSUED)
    assert State.CURRENT is gravest((), ISSUED)


def test_every_part_of_a_bundle_has_its_dates(vendor: SimulatedVendor, now: datetime) -> None:
    parts = parts_of(parse_bundle(vendor.bundle()))
    assert 2 * ["TCB info", "QE identity", "PCK CRL", "root CRL"] == [part.name for part in parts]
    assert {Kind.SGX, Kind.TDX} == {part.kind for part in parts}
    assert all(part.issued and part.next_update and part.issued <= now < part.next_update for part in parts)


def test_amds_certificates_and_lists_have_theirs(now: datetime) -> None:
    amd = new_amd(now, key_bits=2048)
    section = tuple(amd.endorsements(amd.chip, (amd.crl(),)).to_json())
    parts = parts_of(Endorsements(sections={Kind.SEV_SNP: section}))
    names = [part.name for part in parts]
    assert "CRL" == names[-1]
    assert any(name.startswith("certificate SEV-VCEK") for name in names)
    assert State.CURRENT is gravest(parts, now)
    assert State.STALE is gravest(parts, now + timedelta(days=100_000))


def test_a_document_without_dates_and_a_list_that_is_none_are_told(vendor: SimulatedVendor, now: datetime) -> None:
    collateral = vendor.collateral(Kind.TDX)
    tcb_info = json.loads(collateral["tcb_info"])
    for wrong in ("soon", 7, "2026-12-01T00:00:00"):
        changed = collateral | {"tcb_info": json.dumps(tcb_info | {"nextUpdate": wrong}), "pck_crl": "00"}
        states = {part.name: part.state(now) for part in parts_of(parse_bundle(encode_bundle((changed,))))}
        assert {"TCB info", "PCK CRL"} == {name for name, state in states.items() if state is State.UNREADABLE}


def test_a_section_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(EndorsementFormatError, match="collateral /sev_snp/0"):
        parts_of(Endorsements(sections={Kind.SEV_SNP: ({"certificate": "no"},)}))


def test_real_collateral_is_long_stale() -> None:
    [folder] = (Path(__file__).parents[1] / "vectors" / "dcap").glob("tdx-02*")
    parts = parts_of(parse_bundle((folder / "collateral.json").read_bytes()))
    assert State.STALE is gravest(parts, datetime(2030, 1, 1, tzinfo=UTC))


def test_lengths_of_time_are_said_in_the_unit_that_fits() -> None:
    assert ["3 minutes", "119 minutes", "47 hours", "2 days", "0 minutes"] == [
        words(timedelta(minutes=m)) for m in (3, 119, 2879, 2880, -5)
    ]
