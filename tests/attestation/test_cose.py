"""COSE_Sign1: what is signed, and what must not be there because nobody signs it."""

from contextlib import suppress

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.cose import ALGORITHMS, is_signed_by, parse_sign1, sign
from attestation.errors import EvidenceFormatError

KEYS = {label: ec.generate_private_key(algorithm.curve()) for label, algorithm in ALGORITHMS.items()}
ES384_KEY = KEYS[-35]


@pytest.mark.parametrize("label", KEYS)
@pytest.mark.parametrize("tagged", [False, True])
def test_a_signature_holds_for_its_key_and_payload_only(label: int, tagged: bool) -> None:
    signed = parse_sign1(sign(KEYS[label], b"payload", tagged=tagged), "document", tagged=tagged)
    other = parse_sign1(sign(KEYS[label], b"another", tagged=tagged), "document", tagged=tagged)

    assert b"payload" == signed.payload
    assert is_signed_by(KEYS[label].public_key(), signed)
    assert not is_signed_by(ec.generate_private_key(KEYS[label].curve).public_key(), signed)
    mixed = parse_sign1(cbor2.dumps([signed.protected, {}, signed.payload, other.signature]), "document", tagged=False)
    assert not is_signed_by(KEYS[label].public_key(), mixed)


def test_a_key_of_another_curve_signs_nothing() -> None:
    signed = parse_sign1(sign(ES384_KEY, b"payload", tagged=False), "document", tagged=False)

    assert not is_signed_by(KEYS[-7].public_key(), signed)


def test_a_key_that_cose_does_not_name_is_refused() -> None:
    with pytest.raises(ValueError, match="P-256, P-384 or P-521"):
        sign(ec.generate_private_key(ec.SECP256K1()), b"payload", tagged=False)


PARTS = [b"\xa1\x01\x38\x22", {}, b"payload", bytes(96)]


def test_the_parts_that_the_refusals_change_are_accepted_as_they_are() -> None:
    assert b"payload" == parse_sign1(cbor2.dumps(PARTS), "document", tagged=False).payload


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("four parts", PARTS[:3]),
        ("byte strings", ["", {}, b"payload", bytes(96)]),
        ("byte strings", [PARTS[0], {}, None, bytes(96)]),
        ("an empty unprotected header", [PARTS[0], {4: b"key"}, b"payload", bytes(96)]),
        ("96 bytes of signature, got 64", [PARTS[0], {}, b"payload", bytes(64)]),
        ("one of the algorithms", [b"\xa1\x01\x26"[:2] + b"\x27", {}, b"payload", bytes(96)]),
        ("one of the algorithms", [b"\xa0", {}, b"payload", bytes(96)]),
        ("one of the algorithms", [cbor2.dumps({1: -35, 2: [99], 99: 1}), {}, b"payload", bytes(96)]),
        ("expected a map", [b"\x80", {}, b"payload", bytes(96)]),
        ("expected CBOR", [b"", {}, b"payload", bytes(96)]),
    ],
)
def test_an_envelope_that_is_not_as_it_must_be_is_refused_with_its_reason(sentence: str, parts: list) -> None:
    with pytest.raises(EvidenceFormatError, match=sentence):
        parse_sign1(cbor2.dumps(parts), "document", tagged=False)


def test_the_tag_must_be_there_exactly_where_it_belongs() -> None:
    with pytest.raises(EvidenceFormatError, match="tag 18"):
        parse_sign1(cbor2.dumps(PARTS), "document", tagged=True)
    with pytest.raises(EvidenceFormatError, match="tag 18 has no place here"):
        parse_sign1(cbor2.dumps(cbor2.CBORTag(18, PARTS)), "document", tagged=False)


@given(st.binary(max_size=120))
@settings(max_examples=100)
def test_no_bytes_make_the_parser_fail_in_any_other_way(raw: bytes) -> None:
    for tagged in (False, True):
        with suppress(EvidenceFormatError):
            parse_sign1(raw, "document", tagged=tagged)
