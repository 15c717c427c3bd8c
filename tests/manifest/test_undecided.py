"""A manifest in which a decision is still open is refused at the place of the question."""

import json

import pytest

from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.parse import examine

PACKAGE = f'Packages:\n  web:\n    TDX:\n      MRTD: "{"11" * 48}"\n'
MARBLE = "Marbles:\n  web:\n    Package: web\n    MaxActivations: 2\n"


def findings(text: str, *, compatible: bool = False) -> list[Finding]:
    return list(examine(text.encode(), name="x", compatible=compatible).findings)


def opened(text: str) -> list[tuple[str, int, str]]:
    return [(finding.code, finding.line, finding.path) for finding in findings(text)]


def test_a_decided_manifest_has_no_open_decision() -> None:
    assert [] == findings(PACKAGE + MARBLE)


def test_a_value_that_asks_is_refused_once_where_it_stands() -> None:
    package = 'Packages:\n  web:\n    TDX:\n      MRTD: "DECIDE: measurement of the firmware"\n'
    (finding,) = findings(package + MARBLE)
    assert ("E060", 4, 13) == (finding.code, finding.line, finding.column)
    assert "Packages.web.TDX.MRTD is not decided yet: measurement of the firmware" == finding.message


@pytest.mark.parametrize(
    "line", ['    Package: "DECIDE: which"\n', "    Package: web\n    MaxActivations: 'DECIDE: how often'\n"]
)
def test_a_decision_may_stand_where_a_name_or_a_number_is_wanted(line: str) -> None:
    assert ["E060"] == [code for code, _, _ in opened(PACKAGE + "Marbles:\n  web:\n" + line)]


def test_a_comment_that_asks_is_refused_with_the_value_that_it_is_about() -> None:
    beside = MARBLE.replace("2\n", "2  # DECIDE: restarts count too\n")
    assert [("E060", 8, "/Marbles/web/MaxActivations")] == opened(PACKAGE + beside)
    above = MARBLE.replace("    MaxA", "    # DECIDE: restarts count too\n    MaxA")
    assert [("E060", 8, "/Marbles/web/MaxActivations")] == opened(PACKAGE + above)
    assert [("E060", 9, "")] == opened(PACKAGE + MARBLE + "# DECIDE: who may change this\n")


@pytest.mark.parametrize(
    "value",
    [
        '"x # DECIDE: what"',
        "|\n          # DECIDE: a comment of that file\n          x = 1\n",
        ">\n          folded\n\n          # DECIDE: not ours\n",
        "we DECIDE: later",
    ],
)
def test_text_that_only_mentions_the_marker_is_no_open_decision(value: str) -> None:
    env = f"    Parameters:\n      Files:\n        /etc/web.conf: {value}\n"
    if value.startswith("we"):
        env = env.replace(value, f'"{value}"')
    assert [] == opened(PACKAGE + MARBLE + env)


def test_json_has_no_comments() -> None:
    env = {"Parameters": {"Env": {"A": "x # DECIDE: y"}}}
    document = {"Packages": {"web": {"TDX": {"MRTD": "11" * 48}}}, "Marbles": {"web": {"Package": "web", **env}}}
    assert [] == opened(json.dumps(document))


def test_compatible_mode_warns_as_marblerun_would_take_the_text() -> None:
    env = '    Parameters:\n      Env:\n        MODE: "DECIDE: fast or slow"  # DECIDE: too\n'
    said = findings(PACKAGE + MARBLE + env, compatible=True)
    assert [("E060", Severity.WARNING)] * 2 == [(finding.code, finding.severity) for finding in said]
    assert [Severity.ERROR] * 2 == [finding.severity for finding in findings(PACKAGE + MARBLE + env)]
