"""What MarbleRun's users ask for: generated passwords, lifetimes of certificates, secrets that updates make anew."""

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from coordinator.manifest.change import Gravity
from coordinator.manifest.diff import diff
from coordinator.manifest.errors import Finding
from coordinator.manifest.explain import explain
from coordinator.manifest.lint import lint
from coordinator.manifest.model import Manifest, PasswordRule
from coordinator.manifest.parse import Parsed, parse

Parse = Callable[..., Parsed]
Refuse = Callable[..., list[Finding]]
Document = dict[str, Any]

MARBLERUN: Document = {
    "Packages": {"p": {"UniqueID": "11" * 32}},
    "Marbles": {"m": {"Package": "p"}},
}


def with_secret(**fields: Any) -> Document:
    return {
        "Packages": {"p": {"SGX": {"MRENCLAVE": "11" * 32}}},
        "Marbles": {"m": {"Package": "p", "Parameters": {"Env": {"S": "{{ string .Secrets.s }}"}}}},
        "Secrets": {"s": fields},
    }


def manifest(document: Document, *, compatible: bool = False) -> Manifest:
    return parse(json.dumps(document).encode(), name="m", compatible=compatible).manifest


# Passwords


def test_a_password_has_32_letters_and_digits_unless_said_otherwise() -> None:
    secret = manifest(with_secret(Type="generated-password")).secrets["s"]
    assert secret.password is not None
    assert (secret.password.length, len(secret.password.characters)) == (32, 62)
    assert 190 < secret.password.bits < 191


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"Length": 8, "Alphabet": "Digits"}, PasswordRule(8, "0123456789")),
        ({"Length": 256, "Alphabet": "Hex"}, PasswordRule(256, "0123456789abcdef")),
        ({"Length": 12, "Characters": "ab-_"}, PasswordRule(12, "ab-_")),
    ],
)
def test_length_and_characters_are_chosen(fields: Document, rule: PasswordRule) -> None:
    assert manifest(with_secret(Type="generated-password", **fields)).secrets["s"].password == rule


def test_the_unambiguous_alphabet_has_no_character_that_people_mistake() -> None:
    rule = manifest(with_secret(Type="generated-password", Alphabet="Unambiguous")).secrets["s"].password
    assert rule is not None
    assert not set(rule.characters) & set("0O1Il")
    assert len(rule.characters) == 57


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Type": "generated-password", "Length": 7}, "E015"),
        ({"Type": "generated-password", "Length": 257}, "E015"),
        ({"Type": "generated-password", "Size": 256}, "E070"),
        ({"Type": "generated-password", "UserDefined": True}, "E070"),
        ({"Type": "generated-password", "Alphabet": "Emoji"}, "E013"),
        ({"Type": "generated-password", "Characters": "a"}, "E012"),
        ({"Type": "generated-password", "Characters": "a b"}, "E012"),
        ({"Type": "generated-password", "Characters": "aab"}, "E070"),
        ({"Type": "generated-password", "Characters": "abc", "Alphabet": "Hex"}, "E070"),
        ({"Type": "symmetric-key", "Size": 256, "Length": 12}, "E070"),
    ],
)
def test_a_password_that_cannot_be_made_is_refused(refused: Refuse, fields: Document, code: str) -> None:
    found = refused(with_secret(**fields))
    assert code in [finding.code for finding in found]
    assert all(finding.path.startswith("/Secrets/s") for finding in found if finding.code == code)


def test_a_password_that_can_be_guessed_gets_a_remark(parsed: Parse) -> None:
    weak, strong = (parsed(with_secret(Type="generated-password", Alphabet="Digits", Length=n)) for n in (12, 25))
    found = [finding for finding in lint(weak) if finding.code == "E043"]
    assert ["/Secrets/s/Length"] == [finding.path for finding in found]
    assert "39 bits" in found[0].message
    assert not [finding for finding in lint(strong) if finding.code == "E043"]


def test_a_weaker_rule_is_a_weakening() -> None:
    long, short = (manifest(with_secret(Type="generated-password", Length=n)) for n in (32, 8))
    assert Gravity.WEAKENS in {change.gravity for change in diff(long, short)}
    assert Gravity.WEAKENS not in {change.gravity for change in diff(short, long)}
    assert diff(short, long)


def test_a_password_is_told_with_its_strength() -> None:
    words = explain(manifest(with_secret(Type="generated-password")))["secrets"]["s"]["is"]
    assert "generated-password of 32 characters out of 62 (190 bits)" in words


# Lifetimes


def test_a_marble_of_our_own_style_has_a_certificate_for_a_year() -> None:
    assert manifest(with_secret(Type="generated-password")).marbles["m"].lifetime == timedelta(days=365)


def test_a_marble_of_marbleruns_style_has_a_certificate_without_end() -> None:
    assert manifest(MARBLERUN).marbles["m"].lifetime is None
    ours = with_secret(Type="symmetric-key", Size=256)
    assert manifest(ours, compatible=True).marbles["m"].lifetime is None


@pytest.mark.parametrize(
    ("text", "lifetime"),
    [("10m", timedelta(minutes=10)), ("12h", timedelta(hours=12)), ("36500d", timedelta(days=36500))],
)
def test_a_lifetime_is_chosen_in_minutes_hours_or_days(text: str, lifetime: timedelta) -> None:
    document = copy.deepcopy(MARBLERUN)
    document["Marbles"]["m"]["CertificateLifetime"] = text
    assert manifest(document).marbles["m"].lifetime == lifetime


@pytest.mark.parametrize(
    ("text", "code"), [("9m", "E072"), ("36501d", "E072"), ("0h", "E012"), ("1y", "E012"), ("-1h", "E012")]
)
def test_a_lifetime_that_no_marble_can_live_with_is_refused(refused: Refuse, text: str, code: str) -> None:
    document = copy.deepcopy(MARBLERUN)
    document["Marbles"]["m"]["CertificateLifetime"] = text
    assert [(code, "/Marbles/m/CertificateLifetime")] == [(f.code, f.path) for f in refused(document)]


def test_a_longer_lifetime_is_a_weakening() -> None:
    documents = [copy.deepcopy(MARBLERUN) for _ in range(2)]
    for document, text in zip(documents, ("90d", "1h"), strict=True):
        document["Marbles"]["m"]["CertificateLifetime"] = text
    long, short = map(manifest, documents)
    changes = diff(short, long)
    assert [(Gravity.WEAKENS, "for 1 hour", "for 90 days")] == [(c.gravity, c.before, c.after) for c in changes]
    assert [Gravity.NARROWS] == [change.gravity for change in diff(long, short)]


def test_the_lifetime_is_told() -> None:
    assert (
        "valid for 365 days" in explain(manifest(with_secret(Type="generated-password")))["marbles"]["m"]["always"][0]
    )
    assert "valid without end" in explain(manifest(MARBLERUN))["marbles"]["m"]["always"][0]


# Rotation


@pytest.mark.parametrize(
    ("fields", "rotates"),
    [
        ({"Type": "symmetric-key", "Size": 256, "Shared": True}, False),
        ({"Type": "symmetric-key", "Size": 256, "Shared": True, "OnUpdate": "Keep"}, False),
        ({"Type": "symmetric-key", "Size": 256, "Shared": True, "OnUpdate": "Rotate"}, True),
        ({"Type": "generated-password", "Shared": True, "OnUpdate": "Rotate"}, True),
        ({"Type": "cert-ecdsa", "Size": 256, "OnUpdate": "Rotate"}, True),
    ],
)
def test_a_secret_says_whether_updates_make_it_anew(fields: Document, rotates: bool) -> None:
    assert manifest(with_secret(**fields)).secrets["s"].rotate is rotates


@pytest.mark.parametrize(
    "fields",
    [
        {"Type": "symmetric-key", "Size": 256, "OnUpdate": "Rotate"},
        {"Type": "generated-password", "OnUpdate": "Rotate"},
        {"Type": "cert-ecdsa", "Size": 256, "Shared": True, "OnUpdate": "Keep"},
        {"Type": "plain", "UserDefined": True, "OnUpdate": "Keep"},
    ],
)
def test_what_no_update_can_do_is_refused(refused: Refuse, fields: Document) -> None:
    assert "E071" in [finding.code for finding in refused(with_secret(**fields))]


def test_a_change_of_rotation_is_told() -> None:
    key = {"Type": "symmetric-key", "Size": 256, "Shared": True}
    kept, rotated = manifest(with_secret(**key)), manifest(with_secret(**key, OnUpdate="Rotate"))
    assert ["/Secrets/s/OnUpdate"] == [change.path for change in diff(kept, rotated)]
    assert [Gravity.WEAKENS] == [change.gravity for change in diff(rotated, kept)]
    assert "made anew by every update" in explain(rotated)["secrets"]["s"]["is"]
