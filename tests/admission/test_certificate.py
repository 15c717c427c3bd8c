"""The webhook's own certificate: when it is due, and how it goes through a Secret."""

from datetime import UTC, datetime, timedelta

import pytest

from coordinator.admission.certificate import CredentialInvalid, from_secret, make, read, to_secret
from pki.certificates import pem

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMES = ("marble-injector.enclasp.svc", "marble-injector.enclasp.svc.cluster.local")


def test_it_is_due_after_two_thirds_of_its_life_and_not_before() -> None:
    made = make(NAMES, timedelta(days=90), None, now=NOON, entropy=bytes(16))
    assert not made.is_due(NOON)
    assert not made.is_due(NOON + timedelta(days=59))
    assert made.is_due(NOON + timedelta(days=61))
    assert made.is_due(NOON - timedelta(days=1)), "a clock that was set back must not serve one of the future"


def test_a_short_lived_one_is_not_due_when_it_is_made() -> None:
    made = make(NAMES, timedelta(seconds=60), None, now=NOON, entropy=bytes(16))
    assert not made.is_due(NOON + timedelta(seconds=30))
    assert made.is_due(NOON + timedelta(seconds=45))


def test_it_comes_out_of_a_secret_as_it_went_in_and_keeps_its_predecessor_trusted() -> None:
    first = make(NAMES, timedelta(days=90), None, now=NOON, entropy=bytes(16))
    second = make(NAMES, timedelta(days=90), first, now=NOON, entropy=bytes(16))
    found = from_secret(to_secret(second))
    assert found is not None
    assert (second.certificate, pem(first.certificate)) == (found.certificate, found.previous)
    assert pem(second.certificate) + pem(first.certificate) == found.bundle
    assert set(NAMES) == found.names()


def test_an_empty_secret_holds_none() -> None:
    assert from_secret(None) is None
    assert from_secret({}) is None


def test_a_key_of_another_certificate_is_refused_and_not_shown() -> None:
    one, other = (make(NAMES, timedelta(days=1), None, now=NOON, entropy=bytes(16)) for _ in range(2))
    mixed = {**to_secret(one), "tls.key": to_secret(other)["tls.key"]}
    with pytest.raises(CredentialInvalid, match="expected the certificate's key"):
        from_secret(mixed)
    with pytest.raises(CredentialInvalid) as refused:
        read(pem(one.certificate), b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    assert "c2VjcmV0" not in str(refused.value)
