"""A nonce is compared where each platform has a place for one; no platform leaves it uncompared."""

from datetime import datetime, timedelta

import pytest

from attestation.binding import Bound, Nonced, Unbound
from attestation.checks import Status
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.verify import Verifier
from tests.support.every_platform import Vendors

NONCE = bytes(range(1, 33))
PADDED = NONCE.ljust(64, b"\0")
NITRO_NONCE = bytes(range(1, 101))
ALL = [kind for kind in Kind if kind is not Kind.COMPOSITE]


@pytest.fixture(scope="module")
def every_kind(vendors: Vendors) -> tuple[Verifier, dict[Kind, Evidence]]:
    """Evidence of each platform that was asked with NONCE (Nitro: NITRO_NONCE), and a verifier of all."""
    return vendors.verifier(), {kind: vendors.evidence(kind, PADDED, nonce=NITRO_NONCE) for kind in ALL}


@pytest.mark.parametrize("kind", ALL)
def test_each_platform_shows_the_nonce_that_it_was_asked_with_and_no_other(
    every_kind: tuple[Verifier, dict[Kind, Evidence]], now: datetime, kind: Kind
) -> None:
    verifier, evidence = every_kind
    nonce = NITRO_NONCE if kind is Kind.NITRO else NONCE

    assert verifier.verify(evidence[kind], Nonced(nonce), now=now).genuine
    for other in (nonce[:-1] + b"?", nonce + b"?", bytes(512), nonce[:-1]):
        refused = verifier.verify(evidence[kind], Nonced(other), now=now)
        failed = [check.name for check in refused.checks if check.status is Status.FAILED]
        assert ["binding.nonce" if kind is Kind.NITRO else "binding.report-data"] == failed
        assert not refused.genuine


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind is not Kind.NITRO])
def test_a_nonce_that_is_too_long_is_refused_in_words(
    every_kind: tuple[Verifier, dict[Kind, Evidence]], now: datetime, kind: Kind
) -> None:
    verifier, evidence = every_kind
    found = verifier.verify(evidence[kind], Nonced(bytes(65)), now=now)
    (check,) = [check for check in found.checks if check.name == "binding.report-data"]
    assert f"a nonce of 65 bytes; {kind} evidence can hold at most" in check.expected


def test_a_nonce_is_enough_for_an_old_nitro_document_and_says_nothing_of_its_user_data(
    every_kind: tuple[Verifier, dict[Kind, Evidence]], now: datetime
) -> None:
    verifier, evidence = every_kind
    later = now + timedelta(days=1)

    found = verifier.verify(evidence[Kind.NITRO], Nonced(NITRO_NONCE), now=later)

    status = {check.name: check.status for check in found.checks}
    assert (True, Status.NOT_CHECKED, Status.NOT_CHECKED) == (
        found.genuine,
        status["binding.report-data"],
        status["nitro.age"],
    )
    assert not verifier.verify(evidence[Kind.NITRO], Unbound(), now=later).genuine
    assert not verifier.verify(evidence[Kind.NITRO], Bound(NITRO_NONCE[:64], "the nonce"), now=now).genuine
