"""`enclasp manifest check|schema|init`: documents without a coordinator."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Enclasp

GOOD = f"""Packages:
  web:
    TDX:
      MRTD: '{"ab" * 48}'
      RTMR1: '{"cd" * 48}'
      RTMR2: '{"ef" * 48}'
Marbles:
  web:
    Package: web
    MaxActivations: 1
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    return file


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text(GOOD.replace("MaxActivations", "MaxActivation").replace("Package: web", "Package: wbe"))
    return file


def test_a_good_manifest_is_valid(enclasp: Enclasp, good: Path) -> None:
    assert (0, f"{good}: valid\n") == (enclasp("manifest", "check", good).code, enclasp("manifest", "check", good).text)
    assert {"valid": True, "findings": []} == enclasp("manifest", "check", good, "-o", "json").document


def test_every_error_is_shown_at_its_place_with_a_hint(enclasp: Enclasp, bad: Path) -> None:
    ended = enclasp("manifest", "check", bad)
    assert ended.code == 3
    assert f"--> {bad}:10:5" in ended.text
    assert "^^^^^^^^^^^^^" in ended.text
    assert 'did you mean "MaxActivations"?' in ended.text
    assert f"--> {bad}:9:14" in ended.text


def test_findings_as_json_have_the_keys_of_the_contract(enclasp: Enclasp, bad: Path) -> None:
    document = enclasp("manifest", "check", bad, "-o", "json").document
    assert document["valid"] is False
    assert {"code", "severity", "file", "line", "column", "path", "message", "hint"} == set(document["findings"][0])
    assert str(bad) == document["findings"][0]["file"]


def test_several_files_are_checked_in_one_run(enclasp: Enclasp, good: Path, bad: Path) -> None:
    ended = enclasp("manifest", "check", good, bad, "-o", "json")
    assert ended.code == 3
    assert {str(bad)} == {finding["file"] for finding in ended.document["findings"]}


def test_warnings_are_exit_code_9_only_where_strict_asks_for_it(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "debug.json"
    package = {"Debug": True, "SignerID": "ab" * 32, "ProductID": 1, "SecurityVersion": 1}
    file.write_text(json.dumps({"Packages": {"a": package}, "Marbles": {"m": {"Package": "a"}}}))
    assert enclasp("manifest", "check", file).code == 0
    assert enclasp("manifest", "check", file, "--strict").code == 9


def test_compatible_accepts_what_marblerun_accepts(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "odd.json"
    package = {"uniqueid": "ab" * 32, "Unknown": 1}
    file.write_text(json.dumps({"packages": {"a": package}, "MARBLES": {"m": {"Package": "a"}}}))
    assert enclasp("manifest", "check", file).code == 3
    assert enclasp("manifest", "check", file, "--compatible").code == 0


def test_a_file_that_is_not_there_is_invalid_input(enclasp: Enclasp, tmp_path: Path) -> None:
    ended = enclasp("manifest", "check", tmp_path / "absent.yaml")
    assert ended.code == 3
    assert "error[U501]" in ended.err


def test_the_schema_is_printed(enclasp: Enclasp) -> None:
    assert enclasp("manifest", "schema", "-o", "json").document["$schema"].endswith("2020-12/schema")
