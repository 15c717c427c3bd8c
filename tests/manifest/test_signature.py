"""Detached signatures: every kind of key, and nothing that was changed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from coordinator.manifest.signature import (
    SignatureFormatError,
    SignatureWrong,
    Subject,
    message_to_sign,
    parse_signature,
    sign,
    signed_elsewhere,
)
from pki.keys import PrivateKey, fingerprint

KEYS: list[PrivateKey] = [
    ed25519.Ed25519PrivateKey.generate(),
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
    ec.generate_private_key(ec.SECP521R1()),
    rsa.generate_private_key(65537, 2048),
]
RAW = b"Packages: {}\n"
SUBJECTS = pytest.mark.parametrize("subject", Subject)


@SUBJECTS
@pytest.mark.parametrize("key", KEYS, ids=lambda key: type(key).__name__)
def test_a_signature_verifies_after_its_way_through_a_file(key: PrivateKey, subject: Subject) -> None:
    made = sign(RAW, key, subject)
    read = parse_signature(json.dumps(made.as_json()).encode(), subject)
    assert made == read
    assert fingerprint(key.public_key()) == read.key
    read.verify(key.public_key())


@pytest.mark.parametrize("key", KEYS, ids=lambda key: type(key).__name__)
def test_a_changed_manifest_key_or_signature_is_refused(key: PrivateKey) -> None:
    made = sign(RAW, key, Subject.MANIFEST)
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    for wrong in (
        replace(made, document=sign(b"other", key, Subject.MANIFEST).document),
        replace(made, subject=Subject.READ_REQUEST),
        replace(made, signature=made.signature[:-1] + bytes([made.signature[-1] ^ 1])),
        replace(made, signature=b""),
    ):
        with pytest.raises(SignatureWrong):
            wrong.verify(key.public_key())
    with pytest.raises(SignatureWrong, match="expected key"):
        made.verify(other)


@pytest.mark.parametrize(
    ("field", "value"),
    [("format", "x"), ("fingerprint", "00"), ("key", 3), ("signature", "*"), ("more", ""), ("key", None)],
)
def test_a_document_that_is_no_signature_is_refused(field: str, value: Any) -> None:
    document: dict[str, Any] = {**sign(RAW, KEYS[0], Subject.MANIFEST).as_json(), field: value}
    with pytest.raises(SignatureFormatError):
        parse_signature(json.dumps(document).encode(), Subject.MANIFEST)


def test_a_word_for_one_kind_of_document_is_none_for_another() -> None:
    made = sign(RAW, KEYS[0], Subject.READ_REQUEST)
    with pytest.raises(SignatureFormatError, match="format enclasp-manifest-signature/1"):
        parse_signature(json.dumps(made.as_json()).encode(), Subject.MANIFEST)
    public = KEYS[0].public_key()
    assert made == signed_elsewhere(RAW, public, made.signature, Subject.READ_REQUEST)
    with pytest.raises(SignatureWrong):
        signed_elsewhere(RAW, public, made.signature, Subject.MANIFEST)
    assert message_to_sign(RAW, Subject.MANIFEST) != message_to_sign(RAW, Subject.READ_REQUEST)


@SUBJECTS
@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: json.dumps([text]).encode()))
def test_no_bytes_fail_in_any_other_way(subject: Subject, raw: bytes) -> None:
    with pytest.raises(SignatureFormatError):
        parse_signature(raw, subject)
