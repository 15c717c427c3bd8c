"""Keys of CCA platforms as JWKs: what is read, what is refused, and that nothing is lost on the way."""

import base64
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.cca.endorsements import CPAK_FILE, CcaEndorsements
from attestation.errors import EndorsementFormatError
from attestation.simulation.arm import SimulatedArm


@pytest.fixture
def jwk(arm: SimulatedArm) -> dict[str, Any]:
    return dict(arm.endorsements.to_json()[0]["cpak"])


def test_what_was_written_is_read_again(arm: SimulatedArm) -> None:
    (cpak,) = arm.endorsements.cpaks
    named = CcaEndorsements((replace(cpak, instance_id=arm.instance_id, implementation_id=bytes(32)), cpak))

    assert named == CcaEndorsements.from_json(json.loads(json.dumps(named.to_json())))


def test_a_file_holds_one_key_or_a_list(jwk: dict[str, Any]) -> None:
    one = CcaEndorsements.from_files({CPAK_FILE: json.dumps(jwk).encode()})
    many = CcaEndorsements.from_files({CPAK_FILE: json.dumps([jwk, {"cpak": jwk}]).encode()})

    assert one.cpaks * 2 == many.cpaks
    assert CcaEndorsements() == CcaEndorsements.from_files({"other.json": b""})


@pytest.mark.parametrize(
    ("sentence", "changes"),
    [
        ("expected kty EC and crv P-256, P-384, P-521, got 'RSA'", {"kty": "RSA"}),
        ("got 'EC' 'secp256k1'", {"crv": "secp256k1"}),
        ("expected a public key, got a private one", {"d": "AA"}),
        ("/x: expected base64url, got int", {"x": 1}),
        ("/x: expected base64url", {"x": "*"}),
        ("/y: expected 48 bytes, got 1", {"y": "AA"}),
        ("expected a point of secp384r1", {"y": base64.urlsafe_b64encode(bytes(48)).decode()}),
        ("x5c: expected at most 4 certificates", {"x5c": "text"}),
        ("x5c: expected at most 4 certificates", {"x5c": ["AA=="] * 5}),
        ("x5c: expected X.509 in base64, got Error", {"x5c": ["*"]}),
        ("x5c: expected X.509 in base64, got ValueError", {"x5c": ["AA=="]}),
    ],
)
def test_a_key_that_is_not_as_it_must_be_is_refused_with_its_reason(
    jwk: dict[str, Any], sentence: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(EndorsementFormatError, match=r"collateral /cca/0") as refused:
        CcaEndorsements.from_json([{**jwk, **changes}])
    assert sentence in str(refused.value)


def test_the_certificate_of_another_key_is_refused(arm: SimulatedArm, jwk: dict[str, Any]) -> None:
    root = base64.b64encode(arm.root.public_bytes(Encoding.DER)).decode()

    with pytest.raises(EndorsementFormatError, match="expected the certificate of this key"):
        CcaEndorsements.from_json([{**jwk, "x5c": [root]}])


@pytest.mark.parametrize(
    ("sentence", "items"),
    [
        ("expected a list, got dict", {}),
        ("/0: expected an object, got str", ["text"]),
        ("/0/cpak: expected a JWK, got NoneType", [{}]),
    ],
)
def test_a_list_that_is_none_is_refused(sentence: str, items: object) -> None:
    with pytest.raises(EndorsementFormatError, match=sentence):
        CcaEndorsements.from_json(items)


@pytest.mark.parametrize("name", ["instance_id", "implementation_id"])
@pytest.mark.parametrize("value", ["zz", "00", 1])
def test_an_identity_that_is_not_as_it_must_be_is_refused(jwk: dict[str, Any], name: str, value: object) -> None:
    with pytest.raises(EndorsementFormatError, match=name):
        CcaEndorsements.from_json([{"cpak": jwk, name: value}])


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
@settings(max_examples=60)
def test_no_file_makes_the_reader_fail_in_any_other_way(raw: bytes) -> None:
    with suppress(EndorsementFormatError):
        CcaEndorsements.from_files({CPAK_FILE: raw})
