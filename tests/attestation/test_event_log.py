"""A firmware's event log leads to the registers of its own quote and of no other, and proves no more than that."""

import hashlib
import random
import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.appraisal import DefaultPolicy, Outcome, judge
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.endorsements import Endorsements
from attestation.errors import EvidenceFormatError
from attestation.evidence import recognise
from attestation.kinds import Kind
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from attestation.tdx.event_log import LOG_FILE, parse_event_log, replay
from attestation.verification import Verification
from attestation.verify import Verifier

RECORDED = Path(__file__).parents[1] / "vectors" / "dcap" / "tdx-05-v4-gcp-cos113-ccel"
LOG = (RECORDED / LOG_FILE).read_bytes()
HEADER = struct.pack("<II20sI", 1, 3, bytes(20), 33) + b"Spec ID Event03\0" + struct.pack(
    "<IBBBBIHHB", 0, 0, 2, 0, 2, 1, 0x0C, 48, 0
)  # fmt: skip
SEPARATOR, NO_ACTION = 4, 3


def event(register: int, data: bytes, *, kind: int = SEPARATOR, digest: bytes | None = None) -> bytes:
    """register: of RTMR0 to 3."""
    digest = hashlib.sha384(data).digest() if digest is None else digest
    return struct.pack("<IIIH", register + 1, kind, 1, 0x0C) + digest + struct.pack("<I", len(data)) + data


def extended(*digests: bytes) -> bytes:
    value = bytes(48)
    for digest in digests:
        value = hashlib.sha384(value + digest).digest()
    return value


def status(verification: Verification) -> dict[str, Status]:
    return {c.name.removeprefix("tdx."): c.status for c in verification.checks if c.name.startswith("tdx.event-log")}


@pytest.fixture
def verify(case: Callable) -> Callable[[bytes], Verification]:
    """The recorded quote with any log."""
    real = case(RECORDED)

    def with_log(log: bytes) -> Verification:
        from attestation.anchors import TrustAnchors

        given = real.endorsements.and_those(Endorsements(files={LOG_FILE: log}))
        return Verifier(TrustAnchors.genuine(), given).verify(recognise(real.quote), Unbound(), now=real.at)

    return with_log


def test_a_recorded_log_leads_to_all_registers_of_its_quote(verify: Callable[[bytes], Verification]) -> None:
    found = verify(LOG)

    assert {Status.PASSED} == set(status(found).values())
    assert 5 == len(status(found))
    assert Outcome.AFFIRMING is judge(found, DefaultPolicy()).outcome
    events = parse_event_log(LOG)
    assert (43, {0, 1, 2}) == (len(events), set(replay(events)))
    separators = [one for one in events if one.kind == SEPARATOR]
    assert separators
    assert all(one.proves_data for one in separators)


def test_a_changed_digest_is_found_and_the_quote_stays_genuine(verify: Callable[[bytes], Verification]) -> None:
    first = parse_event_log(LOG)[0]
    assert first.register == 0
    changed = LOG.replace(first.digest, bytes([first.digest[0] ^ 1]) + first.digest[1:], 1)

    found = verify(changed)

    assert (True, Outcome.CONTRAINDICATED) == (found.genuine, judge(found, DefaultPolicy()).outcome)
    assert ["event-log.rtmr0"] == [name for name, one in status(found).items() if one is Status.FAILED]
    (check,) = [check for check in found.checks if check.name == "tdx.event-log.rtmr0"]
    assert ("V306", True) == (check.code, bool(check.hint))


def test_the_words_of_an_event_are_proven_only_by_their_digest() -> None:
    other_words = LOG.replace(b"grub_cmd: set timeout=0", b"grub_cmd: set timeout=9", 1)
    assert replay(parse_event_log(other_words)) == replay(parse_event_log(LOG))
    told = [one for one in parse_event_log(other_words) if b"timeout=9" in one.data]
    assert [False] == [one.proves_data for one in told]


def test_a_log_that_is_none_is_refused_in_words(verify: Callable[[bytes], Verification]) -> None:
    for log in (b"\0", LOG[:40], LOG[:5000], LOG.replace(b"Spec ID Event03", b"Spec ID Event02", 1)):
        found = verify(log)
        assert {"event-log": Status.FAILED} == status(found)
        assert Outcome.CONTRAINDICATED is judge(found, DefaultPolicy()).outcome


def test_registers_that_the_system_extended_later_are_left_open(
    vendor: SimulatedVendor, anchors, now: datetime
) -> None:
    def checks(rtmrs: Sequence[bytes], log: bytes) -> dict[str, Status]:
        domain = TrustDomain(b"\3" * 48, rtmrs=(rtmrs[0], rtmrs[1], rtmrs[2], rtmrs[3]))
        evidence = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(domain, bytes(64))
        given = vendor.endorsements.and_those(Endorsements(files={LOG_FILE: log}))
        found = Verifier(anchors, given).verify(evidence, Unbound(), now=now)
        assert found.genuine
        return status(found)

    log = HEADER + event(0, b"a") + event(0, b"b") + event(1, b"c", kind=NO_ACTION) + b"\xff" * 20
    a, b = hashlib.sha384(b"a").digest(), hashlib.sha384(b"b").digest()
    good = checks((extended(a, b), bytes(48), bytes(48), b"\7" * 48), log)
    assert [Status.PASSED] * 4 + [Status.NOT_CHECKED] == list(good.values())
    assert Status.FAILED is checks((extended(b, a), bytes(48), bytes(48), bytes(48)), log)["event-log.rtmr0"]
    assert Status.FAILED is checks((bytes(48),) * 4, log)["event-log.rtmr0"]


@settings(max_examples=100, deadline=None)
@given(
    events=st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)), max_size=12),
    padding=st.sampled_from([b"", b"\xff" * 64, bytes(64)]),
)
def test_what_is_written_is_read(events: list[tuple[int, bytes]], padding: bytes) -> None:
    read = parse_event_log(HEADER + b"".join(event(*one) for one in events) + padding)
    assert events == [(one.register, one.data) for one in read]
    assert all(one.proves_data for one in read)
    for number in range(4):
        digests = [hashlib.sha384(data).digest() for register, data in events if register == number]
        assert replay(read).get(number, bytes(48)) == extended(*digests)


def test_any_cut_or_flip_of_a_log_is_read_or_refused() -> None:
    chosen = random.Random(20261129)
    for _ in range(400):
        changed = bytearray(LOG[: chosen.randrange(len(LOG))] if chosen.random() < 0.5 else LOG)
        if changed:
            changed[chosen.randrange(len(changed))] ^= 1 << chosen.randrange(8)
        try:
            parse_event_log(bytes(changed))
        except EvidenceFormatError:
            continue
