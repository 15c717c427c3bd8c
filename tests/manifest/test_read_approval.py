"""Secrets that users read only with the approval of others: what such terms mean, and which cannot be met."""

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coordinator.manifest.change import Gravity
from coordinator.manifest.diff import diff
from coordinator.manifest.errors import Finding
from coordinator.manifest.explain import explain
from coordinator.manifest.lint import lint
from coordinator.manifest.model import Manifest, ReadApproval
from coordinator.manifest.parse import parse
from tests.support.owners import owner
from tests.support.people import Person, person, same_key

Document = dict[str, Any]
Refuse = Callable[..., list[Finding]]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    folder = tmp_path_factory.mktemp("people")
    known = {name: person(folder, name) for name in ("alice", "bob", "carol")}
    return known | {"robert": same_key(known["bob"], folder, "robert")}


@pytest.fixture
def base(people: dict[str, Person]) -> Document:
    """alice may read, bob and carol approve; two of three may update the manifest."""
    return {
        "Packages": {"p": {"SGX": {"MRENCLAVE": "11" * 32}}},
        "Marbles": {"m": {"Package": "p", "MaxActivations": 1, "Parameters": {"Env": {"S": "{{ hex .Secrets.s }}"}}}},
        "Secrets": {
            "s": {"Type": "symmetric-key", "Size": 256, "Shared": True, "ReadApproval": {"Threshold": 2}},
        },
        "Users": {
            "alice": people["alice"].entry("reader", "updater"),
            "bob": people["bob"].entry("approver", "updater"),
            "carol": people["carol"].entry("approver", "updater"),
        },
        "Roles": {
            "reader": {"ResourceType": "Secrets", "ResourceNames": ["s"], "Actions": ["ReadSecret"]},
            "approver": {"ResourceType": "Secrets", "ResourceNames": ["s"], "Actions": ["approveread"]},
            "updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
        },
        "Config": {"UpdateThreshold": 2},
    }


def changed(document: Document, path: str, value: Any) -> Document:
    """A copy with one field set, or removed where the value is None."""
    other = copy.deepcopy(document)
    *parents, last = path.split("|")
    node = other
    for key in parents:
        node = node.setdefault(key, {})
    if value is None:
        del node[last]
    else:
        node[last] = value
    return other


def manifest(document: Document) -> Manifest:
    return parse(json.dumps(document).encode(), name="m", compatible=False).manifest


def remarks(document: Document) -> list[tuple[str, str]]:
    found = lint(parse(json.dumps(document, indent=1).encode(), name="m", compatible=False))
    return [(remark.code, remark.path) for remark in found if remark.code.startswith("V31")]


@pytest.mark.parametrize(
    ("terms", "meant"),
    [
        ({"Threshold": 1}, ReadApproval(1, timedelta(days=1), timedelta(0))),
        ({"Threshold": 2, "Expiry": "90d", "Delay": "90d"}, ReadApproval(2, timedelta(days=90), timedelta(days=90))),
        ({"Threshold": 2, "Expiry": "30m", "Delay": "4h"}, ReadApproval(2, timedelta(minutes=30), timedelta(hours=4))),
    ],
)
def test_the_terms_are_read(base: Document, terms: Document, meant: ReadApproval) -> None:
    assert meant == manifest(changed(base, "Secrets|s|ReadApproval", terms)).secrets["s"].read_approval


def test_a_secret_without_terms_has_none(base: Document) -> None:
    document = changed(changed(base, "Secrets|s|ReadApproval", None), "Roles|approver", None)
    for name in ("bob", "carol"):
        document["Users"][name]["Roles"] = ["updater"]
    assert manifest(document).secrets["s"].read_approval is None
    assert [] == remarks(document)


OWN = {"Type": "symmetric-key", "Size": 256, "ReadApproval": {"Threshold": 1}}
REFUSED: list[tuple[str, Any, str, str]] = [
    ("Secrets|s|ReadApproval|Threshold", 3, "V310", "/Secrets/s/ReadApproval/Threshold"),
    ("Users|carol|Roles", ["updater"], "V310", "/Secrets/s/ReadApproval/Threshold"),
    ("Secrets|own", OWN, "V311", "/Secrets/own/ReadApproval"),
    ("Secrets|s|ReadApproval|Expiry", "91d", "V312", "/Secrets/s/ReadApproval/Expiry"),
    ("Secrets|s|ReadApproval|Delay", "91d", "V312", "/Secrets/s/ReadApproval/Delay"),
    ("Secrets|s|ReadApproval", None, "V313", "/Roles/approver/ResourceNames/0"),
    ("Secrets|s|ReadApproval", {}, "E011", "/Secrets/s/ReadApproval"),
    ("Secrets|s|ReadApproval|Threshold", 0, "E015", "/Secrets/s/ReadApproval/Threshold"),
    ("Secrets|s|ReadApproval|Delay", "0h", "E012", "/Secrets/s/ReadApproval/Delay"),
]


@pytest.mark.parametrize(("path", "value", "code", "where"), REFUSED)
def test_terms_that_cannot_be_met_are_refused_at_their_place(
    base: Document, refused: Refuse, path: str, value: Any, code: str, where: str
) -> None:
    found = [(finding.code, finding.path) for finding in refused(changed(base, path, value))]
    assert (code, where) in found
    assert {code} == {one for one, _ in found}, "a mistake draws no others after it"


def test_no_terms_at_all_are_not_taken_for_none(base: Document, refused: Refuse) -> None:
    base["Secrets"]["s"]["ReadApproval"] = None
    assert "E014" in [finding.code for finding in refused(base)]


def test_two_certificates_of_one_key_are_one_person(base: Document, refused: Refuse, people: dict[str, Person]) -> None:
    base["Users"]["carol"] = people["robert"].entry("approver")
    (finding,) = refused(base)
    assert ("V310", True) == (finding.code, "but 1 may: bob alias carol" in finding.message)


def test_careful_terms_deserve_no_remark(base: Document) -> None:
    assert [] == remarks(base)


def test_who_can_get_round_an_approval_alone_is_told(base: Document, people: dict[str, Person], tmp_path: Path) -> None:
    one = changed(base, "Secrets|s|ReadApproval|Threshold", 1)
    assert [] == remarks(one), "alice asks, another one approves"
    both = changed(one, "Users|bob|Roles", ["reader", "approver", "updater"])
    assert [("V314", "/Secrets/s/ReadApproval/Threshold")] == remarks(both)
    assert [("V314", "/Config/UpdateThreshold")] == remarks(changed(base, "Config|UpdateThreshold", 1))
    twice = changed(base, "Users|robert", people["robert"].entry("updater"))
    assert [] == remarks(twice), "bob and robert have one key, and count as one"
    only = changed(changed(base, "Config", {}), "Users|alice|Roles", ["reader"])
    only["Users"]["carol"]["Roles"] = ["approver"]
    assert [("V314", "/Users/bob")] == remarks(only)
    keys = {name: owner(tmp_path, name).pem for name in ("ada", "bo")}
    assert [("V314", "/RecoveryKeys/ada")] == remarks(changed(base, "RecoveryKeys", {"ada": keys["ada"]}))
    assert [] == remarks(changed(base, "RecoveryKeys", keys))


def test_a_secret_that_nobody_can_ask_for_is_told(base: Document) -> None:
    assert [("V315", "/Secrets/s/ReadApproval")] == remarks(changed(base, "Users|alice|Roles", ["updater"]))


@pytest.mark.parametrize(
    ("path", "value", "gravity", "words", "back"),
    [
        ("Threshold", 1, Gravity.WEAKENS, "fewer people must approve", Gravity.NARROWS),
        ("Delay", "2h", Gravity.NARROWS, "a longer time to see", Gravity.WEAKENS),
        ("Expiry", "2d", Gravity.WEAKENS, "lasts for a longer time", Gravity.NARROWS),
    ],
)
def test_each_change_of_terms_has_its_gravity(
    base: Document, path: str, value: Any, gravity: Gravity, words: str, back: Gravity
) -> None:
    before, after = manifest(base), manifest(changed(base, f"Secrets|s|ReadApproval|{path}", value))
    (change,) = diff(before, after)
    assert (gravity, f"/Secrets/s/ReadApproval/{path}") == (change.gravity, change.path)
    assert words in change.meaning
    assert [back] == [one.gravity for one in diff(after, before)]


def test_taking_the_approval_away_weakens_and_another_approver_widens(base: Document) -> None:
    without = changed(changed(base, "Secrets|s|ReadApproval", None), "Roles|approver|Actions", [])
    weakened = diff(manifest(base), manifest(without))[0]
    assert (Gravity.WEAKENS, True) == (weakened.gravity, "reads it alone" in weakened.meaning)
    assert Gravity.NARROWS in {change.gravity for change in diff(manifest(without), manifest(base))}
    (widened,) = diff(manifest(base), manifest(changed(base, "Users|alice|Roles", ["reader", "updater", "approver"])))
    assert (Gravity.WIDENS, 'user "alice" may now approve that secret "s" is read') == (
        widened.gravity,
        widened.meaning,
    )


def test_the_terms_are_told(base: Document) -> None:
    base["Secrets"]["s"]["ReadApproval"]["Delay"] = "2h"
    words = explain(manifest(base))
    assert (
        "read by users only with the approval of 2 of bob, carol, 2:00:00 after it was asked for"
        in (words["secrets"]["s"]["is"])
    )
    assert any('user bob, known by a certificate, may approve that secret "s" is read' in w for w in words["for_all"])
