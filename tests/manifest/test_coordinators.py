"""`Config.Coordinators`: packages whose program may have the Coordinator's state."""

import copy
import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from coordinator.cli.check import check_document
from coordinator.manifest.coordinators import accepted
from coordinator.manifest.diff import diff
from coordinator.manifest.errors import Severity
from coordinator.manifest.explain import explain
from coordinator.manifest.model import Manifest
from coordinator.manifest.parse import parse

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
TWO_PROGRAMS: dict[str, Any] = {
    "Packages": {
        "web": {"TDX": {"MRTD": "11" * 48}},
        "now": {"TDX": {"MRTD": "22" * 48}},
        "next": {"TDX": {"MRTD": "33" * 48}, "SEVSNP": {"Measurement": "44" * 48}},
    },
    "Marbles": {"web": {"Package": "web", "MaxActivations": 1}},
    "Config": {"Coordinators": ["now", "next"]},
}


def with_packages(**packages: Any) -> dict[str, Any]:
    document = copy.deepcopy(TWO_PROGRAMS)
    document["Packages"].update(packages)
    return document


def manifest(document: dict[str, Any]) -> Manifest:
    return parse(json.dumps(document).encode(), name="m.json", compatible=False).manifest


def codes(document: dict[str, Any], severity: Severity) -> list[tuple[str, str]]:
    said = check_document(json.dumps(document).encode(), name="m.json", compatible=False, now=NOON, remarks=True)
    return [(finding.code, finding.message) for finding in said if finding.severity is severity]


def test_every_alternative_of_every_named_package_proves_a_coordinator() -> None:
    named = manifest(TWO_PROGRAMS)
    values = accepted(named.config.coordinators, named.packages)
    assert ["tdx", "tdx", "sev-snp"] == [each.kind.value for each in values]


def test_without_the_field_nothing_is_accepted_by_name() -> None:
    assert manifest({**TWO_PROGRAMS, "Config": {}}).config.coordinators == ()


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ({"UniqueID": "55" * 32, "Debug": True}, "may be debugged"),
        ({"NvidiaGPU": {"RIMs": True}}, "a GPU alone"),
    ],
)
def test_what_its_host_can_read_cannot_be_an_accepted_coordinator(package: dict[str, Any], words: str) -> None:
    (code, message), *others = codes(with_packages(next=package), Severity.ERROR)
    assert "V320" == code
    assert words in message
    assert not others


def test_the_same_package_without_debug_can() -> None:
    assert codes(with_packages(next={"UniqueID": "55" * 32}), Severity.ERROR) == []


def test_a_name_that_is_no_package_is_refused_and_a_package_of_a_coordinator_counts_as_used() -> None:
    unknown = {**TWO_PROGRAMS, "Config": {"Coordinators": ["now", "nxet"]}}
    assert ["E020"] == [code for code, _ in codes(unknown, Severity.ERROR)]
    assert [("E040", 'package "next" is used by no marble')] == codes(
        {**TWO_PROGRAMS, "Config": {"Coordinators": ["now"]}}, Severity.WARNING
    )
    assert codes(TWO_PROGRAMS, Severity.WARNING) == []


def test_another_program_in_the_package_of_a_coordinator_is_told_as_such() -> None:
    (change,) = diff(manifest(TWO_PROGRAMS), manifest(with_packages(now={"TDX": {"MRTD": "66" * 48}})))
    assert "replaces" == change.gravity.word
    assert "the coordinator" in change.meaning


def test_explain_says_who_may_have_the_root_key() -> None:
    sentences = explain(manifest(TWO_PROGRAMS))["for_all"]
    told = [sentence for sentence in sentences if "may be had by any coordinator" in sentence]
    assert 2 == len(told)
    assert "package next: a TDX virtual machine, firmware 33333333…3333" in told[1]
    without = explain(manifest({**TWO_PROGRAMS, "Config": {}}))["for_all"]
    assert "the coordinator's state is handed over to other instances of the same program only" in without
