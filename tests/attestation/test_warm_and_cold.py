"""What a verifier remembers never changes what it says: in any order of good and bad, a warm one says the same."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attestation.binding import Asked, Bound, Nonced, Unbound
from attestation.claims import TcbStatus
from attestation.endorsements import DcapCollateral, Endorsements, parse_bundle
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import new_vendor
from attestation.verification import Verification
from attestation.verify import Verifier
from tests.support.every_platform import Vendors

REPORT_DATA = bytes(range(64))
BINDINGS: Sequence[Asked] = (
    Bound(REPORT_DATA, "right"),
    Bound(bytes(64), "wrong"),
    Nonced(REPORT_DATA[:32]),
    Unbound(),
)
# From the time at which the vendors were made: days of all that their certificates and collateral are valid, and not.
MOMENTS = [timedelta(days=days) for days in (-400, -2, 0, 1, 29, 31, 400, 40_000)]
FLIPS_OF_EACH = 5

Step = tuple[int, int, int, int]


class Bench:
    """Evidence of every sort, and one warm verifier for each set of endorsements that lives as long as the tests."""

    def __init__(self, vendors: Vendors) -> None:
        self.vendors = vendors
        self.evidence = tuple(_evidence(vendors))
        self._sets = _endorsement_sets(vendors)
        self.warm = tuple(Verifier(vendors.anchors, given) for given in self._sets)

    def cold(self, number: int) -> Verifier:
        return Verifier(self.vendors.anchors, self._sets[number])

    def steps(self) -> st.SearchStrategy[list[Step]]:
        one = st.tuples(
            st.integers(0, len(self.evidence) - 1),
            st.integers(0, len(BINDINGS) - 1),
            st.integers(0, len(MOMENTS) - 1),
            st.integers(0, len(self.warm) - 1),
        )
        return st.lists(one, min_size=1, max_size=6)

    def ask(self, verifier: Verifier, step: Step) -> Verification:
        evidence, binding, moment, _ = step
        return verifier.verify(self.evidence[evidence], BINDINGS[binding], now=self.vendors.made_at + MOMENTS[moment])


def _evidence(vendors: Vendors) -> list[Evidence]:
    """Good, altered, of other machines and patch levels, of a stranger, and put together of two."""
    good = [vendors.evidence(kind, REPORT_DATA, nonce=REPORT_DATA[:32]) for kind in Kind]
    chosen = random.Random(20261128)
    altered = []
    for one in good:
        for _ in range(FLIPS_OF_EACH):
            raw = bytearray(one.raw)
            raw[chosen.randrange(len(raw))] ^= 1 << chosen.randrange(8)
            altered.append(Evidence(one.kind, bytes(raw)))
    domain = TrustDomain(bytes(48))
    intel = vendors.intel
    machines = [intel.new_machine(status) for status in (TcbStatus.OUT_OF_DATE, TcbStatus.REVOKED)]
    machines += [intel.new_machine(), new_vendor(vendors.made_at).machine]
    others = [QuotingEnclave(machine, Kind.TDX).quote_trust_domain(domain, REPORT_DATA) for machine in machines]
    debug = QuotingEnclave(intel.machine, Kind.TDX).quote_trust_domain(domain.debuggable(), REPORT_DATA)
    # The body and signature of one machine, the quoting enclave's part of another, which the verifier has seen.
    mixed = [Evidence(Kind.TDX, one.raw[:764] + good[1].raw[764:]) for one in others]
    renamed = [Evidence(kind, good[1].raw) for kind in (Kind.SGX, Kind.SEV_SNP)]
    return [*good, *altered, *others, debug, *mixed, *renamed]


def _endorsement_sets(vendors: Vendors) -> tuple[Endorsements, ...]:
    """Good; none; revoked; expired beside good, in both orders; altered; another vendor's."""
    good, intel = vendors.endorsements, vendors.intel
    others = Endorsements(sections=good.sections)
    leaf = x509.load_pem_x509_certificates(intel.machine.chain_pem)[0].serial_number
    revoked = parse_bundle(intel.bundle(revoked=[leaf]))
    short = parse_bundle(intel.bundle(validity=timedelta(hours=1)))
    altered = Endorsements(tuple(_altered(collateral) for collateral in good.dcap))
    stranger = new_vendor(vendors.made_at).endorsements
    dcap = (good, revoked, short.and_those(good), good.and_those(short), altered, stranger, altered.and_those(good))
    return (good, Endorsements.none(), *(one.and_those(others) for one in dcap))


def _altered(collateral: DcapCollateral) -> DcapCollateral:
    return replace(collateral, tcb_info=collateral.tcb_info.replace(b"OutOfDate", b"UpToDate "))


@pytest.fixture(scope="module")
def bench(vendors: Vendors) -> Bench:
    return Bench(vendors)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_warm_verifier_says_what_a_cold_one_says(bench: Bench, data: st.DataObject) -> None:
    for step in data.draw(bench.steps()):
        assert bench.ask(bench.cold(step[3]), step) == bench.ask(bench.warm[step[3]], step)


def test_what_was_genuine_is_refused_when_its_time_is_over_or_it_was_altered_and_good_again_after(
    bench: Bench, vendors: Vendors
) -> None:
    warm = vendors.verifier()
    moment, later = MOMENTS.index(timedelta(0)), MOMENTS.index(timedelta(days=40_000))
    for number, kind in enumerate(Kind):
        fresh, stale = (number, 0, moment, 0), (number, 0, later, 0)
        altered = (len(Kind) + FLIPS_OF_EACH * number, 0, moment, 0)
        outcomes = [bench.ask(warm, step).genuine for step in (fresh, stale, fresh, altered, fresh)]
        # A Nitro document that is bound is judged at its own time.
        dated = kind is not Kind.NITRO
        assert [True, not dated, True, False, True] == outcomes, kind


def test_threads_that_share_a_verifier_get_the_answers_of_one(bench: Bench) -> None:
    chosen = random.Random(7)
    steps = [(chosen.randrange(len(bench.evidence)), 0, chosen.choice((2, 5)), 0) for _ in range(120)]
    expected = [bench.ask(bench.warm[0], step) for step in steps]
    shared = bench.cold(0)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda step: bench.ask(shared, step), steps))

    assert expected == found
