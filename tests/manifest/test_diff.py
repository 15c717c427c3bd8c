"""What a change means: each kind of change has its gravity and its words, and its way back."""

import copy
import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.manifest.change import Change, Gravity
from coordinator.manifest.diff import diff, diff_json
from coordinator.manifest.explain import explain
from coordinator.manifest.model import Manifest
from coordinator.manifest.parse import parse
from tests.support.people import person

Document = dict[str, Any]

BASE: Document = {
    "Packages": {
        "web": {"TDX": {"MRTD": "11" * 48, "RTMR1": "22" * 48}},
        "db": {
            "SGX": {
                "MRSIGNER": "44" * 32,
                "ISVProdID": 7,
                "ISVSVN": 3,
                "AcceptedTCBStatuses": ["SWHardeningNeeded"],
                "AcceptedAdvisories": ["INTEL-SA-00615"],
            }
        },
        "old": {"SignerID": "55" * 32, "ProductID": 1, "SecurityVersion": 1, "Debug": False},
    },
    "Marbles": {
        "web": {
            "Package": "web",
            "MaxActivations": 2,
            "TLS": ["door"],
            "Parameters": {"Argv": ["web"], "Env": {"KEY": "{{ hex .Secrets.session }}"}, "Files": {"/a": "text"}},
        },
        "db": {"Package": "db", "MaxActivations": 1},
        "old": {"Package": "old"},
    },
    "Secrets": {
        "session": {"Type": "symmetric-key", "Size": 256, "Shared": True},
        "disk": {"Type": "symmetric-key", "Size": 256},
        "site": {"Type": "cert-ecdsa", "Size": 256, "Shared": True, "ValidFor": 30},
    },
    "TLS": {
        "door": {"Incoming": [{"Port": "8443"}], "Outgoing": [{"Addr": "db", "Port": "5432"}]},
        "open": {"Incoming": [{"Port": "443", "Cert": "site", "DisableClientAuth": True}]},
    },
    "Config": {"SealMode": "UniqueKey"},
}


def manifest(document: Document) -> Manifest:
    return parse(json.dumps(document).encode(), name="m.json", compatible=False).manifest


def with_change(path: str, value: Any) -> Document:
    document = copy.deepcopy(BASE)
    *parents, last = path.split("|")
    node = document
    for key in parents:
        node = node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return document


def change(path: str, value: Any) -> tuple[Change, ...]:
    return diff(manifest(BASE), manifest(with_change(path, value)))


G = Gravity
WAIVER = {"Status": "OutOfDate", "Until": "2026-12-31", "Reason": "ticket 7"}
CASES: list[tuple[str, Any, Gravity, str, Gravity]] = [
    # path, new value, what it does, words, and what the way back does
    ("Packages|web|TDX|MRTD", "99" * 48, G.REPLACES, 'another program may be marble "web"', G.REPLACES),
    ("Packages|web|TDX|RTMR1", None, G.WEAKENS, "more programs may be", G.NARROWS),
    ("Packages|web|SGX", {"MRENCLAVE": "66" * 32}, G.WEAKENS, "may now also be proven by sgx", G.NARROWS),
    ("Packages|db|SGX|ISVSVN", 2, G.WEAKENS, "older versions", G.NARROWS),
    ("Packages|db|SGX|ISVProdID", 8, G.REPLACES, "another program", G.REPLACES),
    ("Packages|db|SGX|MRENCLAVE", "66" * 32, G.NARROWS, "MRENCLAVE is demanded", G.WEAKENS),
    (
        "Packages|db|SGX|AcceptedTCBStatuses",
        ["SWHardeningNeeded", "OutOfDate"],
        G.WEAKENS,
        "platforms that are OutOfDate",
        G.NARROWS,
    ),
    ("Packages|db|SGX|AcceptedAdvisories", None, G.WEAKENS, "any advisory", G.NARROWS),
    ("Packages|db|SGX|AcceptedAdvisories", ["INTEL-SA-00615", "X"], G.WEAKENS, "advisories", G.NARROWS),
    ("Packages|db|SGX|Waivers", [WAIVER], G.WEAKENS, "with OutOfDate until the end of 2026-12-31", G.NARROWS),
    ("Packages|db|SGX|RevokedPPIDs", ["0a" * 16], G.NARROWS, "may not run on machine", G.WEAKENS),
    ("Packages|db|SGX|MinimumTCBEvaluationDataNumber", 17, G.NARROWS, "evaluation 17 or later", G.WEAKENS),
    ("Packages|old|Debug", True, G.WEAKENS, "debug program", G.NARROWS),
    ("Packages|new", {"SGX": {"MRENCLAVE": "66" * 32}}, G.NEUTRAL, "is new", G.NEUTRAL),
    ("Marbles|db|MaxActivations", 2, G.WIDENS, "more instances of marble", G.NARROWS),
    ("Marbles|db|MaxActivations", 0, G.WIDENS, "more instances of marble", G.NARROWS),
    ("Marbles|db|Package", "old", G.WEAKENS, "any advisory", G.REPLACES),
    ("Marbles|db|DisableSecretBinding", True, G.WEAKENS, "no longer bound", G.NARROWS),
    ("Marbles|db|RequireFreshEvidence", True, G.NARROWS, "has to bind a nonce", G.WEAKENS),
    ("Marbles|db|TLS", ["door"], G.NARROWS, "also secured", G.WEAKENS),
    ("Marbles|spare", {"Package": "old"}, G.WIDENS, 'another program may join: package "old"', G.NARROWS),
    ("Marbles|web|Parameters|Argv", ["web", "-v"], G.CHANGES, "other arguments", G.CHANGES),
    ("Marbles|web|Parameters|Env|MODE", "x", G.CHANGES, "is new: MODE", G.CHANGES),
    ("Marbles|web|Parameters|Files|/a", "other", G.CHANGES, "another content: /a", G.CHANGES),
    ("Secrets|session|Size", 128, G.WEAKENS, "shorter", G.CHANGES),
    ("Secrets|session|Type", "cert-ecdsa", G.CHANGES, "another kind", G.CHANGES),
    ("Secrets|disk|Shared", True, G.WEAKENS, "one value for all marbles", G.NARROWS),
    ("Secrets|site|ValidFor", 300, G.WEAKENS, "longer time", G.NARROWS),
    ("Secrets|site|Cert", {"IsCA": True}, G.WEAKENS, "may issue certificates", G.CHANGES),
    ("Secrets|site|Cert", {"DNSNames": ["a"]}, G.CHANGES, "says something else", G.CHANGES),
    ("Secrets|extra", {"Type": "symmetric-key", "Size": 256}, G.NEUTRAL, "is new", G.CHANGES),
    (
        "TLS|door|Incoming",
        [{"Port": "8443", "Cert": "site", "DisableClientAuth": True}],
        G.WEAKENS,
        "anybody may connect to port 8443",
        G.CHANGES,
    ),
    ("TLS|door|Incoming", [], G.WEAKENS, "port 8443 is not secured", G.NARROWS),
    ("TLS|door|Outgoing", [], G.WEAKENS, "connections to db:5432", G.NARROWS),
    ("TLS|more", {}, G.NEUTRAL, "is new", G.NEUTRAL),
    ("Config|SealMode", "ProductKey", G.WEAKENS, "every build", G.NARROWS),
    ("Config|SealMode", "Disabled", G.NARROWS, "not kept", G.WEAKENS),
    (
        "Config|Coordinators",
        ["db"],
        G.WIDENS,
        'may have the root key and all secrets: coordinator "db"',
        G.NARROWS,
    ),
]


@pytest.mark.parametrize(("path", "value", "gravity", "words", "back"), CASES)
def test_each_change_has_its_gravity_and_its_words(
    path: str, value: Any, gravity: Gravity, words: str, back: Gravity
) -> None:
    first = change(path, value)[0]
    assert (gravity, True) == (first.gravity, words in first.meaning), first
    assert first.path.startswith("/" + path.split("|")[0])
    back_again = diff(manifest(with_change(path, value)), manifest(BASE))
    assert back is back_again[0].gravity, back_again


def test_a_revoked_chip_is_told_under_its_own_key() -> None:
    guest = {"Measurement": "11" * 48}
    before = manifest(with_change("Packages|web", {"SEVSNP": guest}))
    after = manifest(with_change("Packages|web", {"SEVSNP": {**guest, "RevokedChipIDs": ["0a" * 64]}}))
    (change,) = diff(before, after)
    assert (G.NARROWS, "/Packages/web/SEVSNP/RevokedChipIDs") == (change.gravity, change.path)
    assert [G.WEAKENS] == [change.gravity for change in diff(after, before)]
    assert "none of 1 revoked machines" in explain(after)["marbles"]["web"]["proof"][0]


def test_a_waiver_that_is_made_longer_weakens_and_one_that_is_explained_anew_does_not() -> None:
    before = manifest(with_change("Packages|db|SGX|Waivers", [WAIVER]))
    longer = manifest(with_change("Packages|db|SGX|Waivers", [{**WAIVER, "Until": "2027-01-31"}]))
    reworded = manifest(with_change("Packages|db|SGX|Waivers", [{**WAIVER, "Reason": "ticket 8"}]))
    (change,) = diff(before, longer)
    assert (G.WEAKENS, "until 2026-12-31", "until 2027-01-31") == (change.gravity, change.before, change.after)
    assert [G.NARROWS] == [change.gravity for change in diff(longer, before)]
    assert () == diff(before, reworded)


def test_a_new_reader_of_a_shared_secret_is_named() -> None:
    env = {"KEY": "{{ hex .Secrets.session }}"}
    changes = change("Marbles|db|Parameters", {"Env": env})
    assert (G.WIDENS, 'adds a reader of secret "session": marble "db"') == (changes[0].gravity, changes[0].meaning)


def test_a_reader_that_is_gone_is_named() -> None:
    changes = change("Marbles|web|Parameters|Env|KEY", None)
    assert 'marble "web" does not get secret "session" any more' in [one.meaning for one in changes]


def test_the_most_serious_comes_first() -> None:
    document = with_change("Packages|db|SGX|ISVSVN", 1)
    document["Marbles"]["db"]["MaxActivations"] = 9
    document["Secrets"]["extra"] = {"Type": "symmetric-key", "Size": 256}
    gravities = [one.gravity for one in diff(manifest(BASE), manifest(document))]
    assert [G.WEAKENS, G.WIDENS, G.NEUTRAL] == gravities


def test_a_package_under_another_name_is_the_same_program() -> None:
    document = copy.deepcopy(BASE)
    document["Packages"]["renamed"] = document["Packages"].pop("db")
    document["Marbles"]["db"]["Package"] = "renamed"
    changes = diff(manifest(BASE), manifest(document))
    assert {G.NEUTRAL} == {one.gravity for one in changes}
    assert any("the same program under another package name" in one.meaning for one in changes)


def test_a_weaker_package_under_another_name_is_told() -> None:
    document = copy.deepcopy(BASE)
    document["Packages"]["debug"] = {**BASE["Packages"]["old"], "Debug": True}
    document["Marbles"]["old"]["Package"] = "debug"
    changes = diff(manifest(BASE), manifest(document))
    assert (G.WEAKENS, True) == (changes[0].gravity, "debug program" in changes[0].meaning)
    assert 'another program may be marble "old"' in changes[1].meaning


def test_bytes_may_differ_where_the_meaning_does_not() -> None:
    other = parse(json.dumps(BASE, indent=2).encode(), name="m.json", compatible=False).manifest
    changes = diff(manifest(BASE), other)
    document = diff_json(manifest(BASE), other, changes)
    assert (False, True, []) == (document["same_bytes"], document["same_meaning"], document["changes"])


def test_values_are_never_shown() -> None:
    assert "hunter2" not in repr(change("Marbles|web|Parameters|Env|PASSWORD", "hunter2"))


@given(st.sampled_from(CASES), st.sampled_from(CASES))
@settings(max_examples=60, deadline=None)
def test_every_manifest_means_the_same_as_itself_and_every_change_is_seen(one: Any, other: Any) -> None:
    first, second = manifest(with_change(one[0], one[1])), manifest(with_change(other[0], other[1]))
    assert diff(first, first) == ()
    assert bool(diff(first, second)) == bool(diff(second, first)) == (one[:2] != other[:2])


def governed(config: Document, *updaters: str, **more: Any) -> Manifest:
    """BASE, with these users who may update it."""
    users = {name: {"Certificate": certificate(name), "Roles": ["updater"]} for name in updaters}
    role = {"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}}
    return manifest({**BASE, "Users": users, "Roles": role, "Config": config, **more})


@functools.cache
def certificate(name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return person(Path(folder), name).pem


@pytest.mark.parametrize(
    ("before", "after", "gravity", "words"),
    [
        ({"UpdateThreshold": 2}, {"UpdateThreshold": 1}, G.WEAKENS, "1 of 3 people together may update"),
        ({"UpdateThreshold": 2}, {}, G.NARROWS, "3 of 3 people together"),
        ({}, {"UpdateOverlap": "1h"}, G.WEAKENS, "trusted for a longer time"),
        ({}, {"UpdateDelay": "1d"}, G.NARROWS, "have a longer time to see an update"),
        ({"UpdateDelay": "2d"}, {"UpdateDelay": "1d"}, G.WEAKENS, "have a shorter time to see an update"),
        ({"UpdateOverlap": "1d"}, {"UpdateOverlap": "1h"}, G.NARROWS, "trusted for a shorter time"),
        ({}, {"UpdateExpiry": "1d"}, G.CHANGES, "waits for another time"),
        ({}, {"RotateRootSecret": True}, G.CHANGES, "keys of all marbles are made anew"),
    ],
)
def test_changes_of_updates_themselves_are_named(before: Document, after: Document, gravity: G, words: str) -> None:
    names = ("alice", "bob", "carol")
    style = {"UpdateExpiry": "7d"}
    changes = diff(governed(style | before, *names), governed(style | after, *names))
    assert [(gravity, True)] == [(found.gravity, words in found.meaning) for found in changes]


def test_a_document_that_lets_a_security_version_fall_weakens() -> None:
    before = governed({"UpdateExpiry": "7d"}, "alice")
    after = governed({"UpdateExpiry": "7d"}, "alice", Update={"LowersSecurityVersion": ["old"]})
    assert [(G.WEAKENS, "/Update/LowersSecurityVersion")] == [(c.gravity, c.path) for c in diff(before, after)]


@pytest.mark.parametrize(
    ("updaters", "config", "words"),
    [
        ((), {}, "nobody may change this manifest"),
        (("alice",), {}, "alice may change this manifest"),
        (("alice", "bob"), {}, "all of alice, bob together may change"),
        (("alice", "bob"), {"UpdateThreshold": 1, "UpdateOverlap": "1h"}, "1 of alice, bob together may change"),
    ],
)
def test_explain_says_who_may_change_the_manifest(updaters: tuple[str, ...], config: Document, words: str) -> None:
    assert any(sentence.startswith(words) for sentence in explain(governed(config, *updaters))["for_all"])
