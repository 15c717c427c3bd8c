"""The answer is believed only if everything in it fits together, and, where asked for, its coordinator is proven."""

from datetime import datetime, timedelta

import pytest

from marble.errors import CoordinatorNotTrusted
from marble.trust import read_identity
from pki.certificates import load_pem_chain, pem
from tests.fakes.marble_pki import MADE, UUID, MarblePki

KEY = "MARBLE_PREDEFINED_PRIVATE_KEY"
CHAIN = "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"
ROOT = "MARBLE_PREDEFINED_ROOT_CA"
COORDINATOR = "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA"


def test_an_identity_that_fits_together_is_read(pki: MarblePki, now: datetime) -> None:
    given = read_identity(pki.given(), "web", UUID, now=now)
    assert (pki.intermediate, pki.marble_root, pki.root) == (
        given.intermediate,
        given.marble_root,
        given.coordinator_root,
    )


@pytest.mark.parametrize("name", [KEY, CHAIN, ROOT, COORDINATOR])
def test_each_reserved_variable_is_needed_and_must_be_pem(pki: MarblePki, now: datetime, name: str) -> None:
    with pytest.raises(CoordinatorNotTrusted, match=f"{name}: expected PEM, got nothing"):
        read_identity({**pki.given(), name: b""}, "web", UUID, now=now)
    with pytest.raises(CoordinatorNotTrusted, match="expected"):
        read_identity({**pki.given(), name: b"PEM?"}, "web", UUID, now=now)


@pytest.mark.parametrize(("name", "more"), [(CHAIN, 15), (ROOT, 16), (COORDINATOR, 1)])
def test_each_variable_holds_as_many_certificates_as_the_contract_says_or_an_overlap_needs(
    pki: MarblePki, now: datetime, name: str, more: int
) -> None:
    given = pki.given()
    count = more + given[name].count(b"BEGIN")
    with pytest.raises(CoordinatorNotTrusted, match=rf"{name}: expected .*certificates, got {count}"):
        read_identity({**given, name: given[name] + pem(pki.root) * more}, "web", UUID, now=now)
    if name == CHAIN:
        with pytest.raises(CoordinatorNotTrusted, match=r"expected 2 to 16 certificates, got 1"):
            read_identity({**given, name: pem(load_pem_chain(given[name])[0])}, "web", UUID, now=now)


def test_certificates_of_before_an_update_may_stand_beside_those_in_force(pki: MarblePki, now: datetime) -> None:
    given, before = pki.given(), MarblePki.create(pki.root_key)
    leaf, intermediate = (pem(certificate) for certificate in load_pem_chain(given[CHAIN]))
    overlapping = {
        **given,
        CHAIN: leaf + pem(before.marble_root) + intermediate + pem(before.intermediate),
        ROOT: given[ROOT] + pem(before.marble_root),
    }
    assert pki.intermediate == read_identity(overlapping, "web", UUID, now=now).intermediate
    with pytest.raises(CoordinatorNotTrusted):
        read_identity({**overlapping, ROOT: pem(before.marble_root)}, "web", UUID, now=now)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (KEY, "expected the key of the marble certificate"),
        (ROOT, "expected the key of the intermediate"),
        (COORDINATOR, "leads to no trusted anchor"),
        (CHAIN, "leads to no trusted anchor"),
    ],
)
def test_a_part_of_another_deployment_is_noticed(
    pki: MarblePki, other_pki: MarblePki, now: datetime, name: str, reason: str
) -> None:
    mixed = {**pki.given(), name: other_pki.given()[name]}
    with pytest.raises(CoordinatorNotTrusted, match=reason) as refused:
        read_identity(mixed, "web", UUID, now=now)
    assert "PRIVATE KEY-" not in str(refused.value)


def test_the_intermediate_must_be_signed_by_the_root(pki: MarblePki, now: datetime) -> None:
    given = pki.given()
    leaf = load_pem_chain(given[CHAIN])[0]
    with pytest.raises(CoordinatorNotTrusted, match="leads to no trusted anchor"):
        read_identity({**given, CHAIN: pem(leaf, pki.marble_root)}, "web", UUID, now=now)


def test_another_type_or_uuid_than_asked_for_is_noticed(pki: MarblePki, now: datetime) -> None:
    other = UUID.replace("1", "2")
    with pytest.raises(CoordinatorNotTrusted) as refused:
        read_identity(pki.given("admin", other), "web", UUID, now=now)
    assert refused.value.reasons == (
        "marble certificate: expected the type 'web', got 'admin'",
        f"marble certificate: expected the common name {UUID}, got ['{other}']",
    )


def test_a_certificate_that_is_not_yet_valid_is_noticed(pki: MarblePki) -> None:
    with pytest.raises(CoordinatorNotTrusted, match="is not valid before"):
        read_identity(pki.given(), "web", UUID, now=MADE - timedelta(seconds=1))
    assert read_identity(pki.given(), "web", UUID, now=MADE)
