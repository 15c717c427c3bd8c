"""Findings in SARIF: what code scanning needs, once per rule."""

from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.sarif import sarif

ERROR = Finding("E010", Severity.ERROR, 8, 5, "/Marbles/web/Max", "unknown field", "did you mean", 13, "")
INFO = Finding("E046", Severity.INFO, 2, 1, "/Secrets/a", "one reader", "", 1, "")


def test_each_rule_stands_once_and_each_result_names_it() -> None:
    (run,) = sarif({"a.yaml": (ERROR, INFO), "b.yaml": (ERROR,)}, version="1.2.3")["runs"]
    assert ["E010", "E046"] == [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [("E010", 0), ("E046", 1), ("E010", 0)] == [(r["ruleId"], r["ruleIndex"]) for r in run["results"]]
    assert ["error", "note", "error"] == [result["level"] for result in run["results"]]


def test_a_result_has_its_file_and_region() -> None:
    result = sarif({"some dir/a.yaml": (ERROR,)}, version="1")["runs"][0]["results"][0]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "some%20dir/a.yaml"
    assert {"startLine": 8, "startColumn": 5, "endLine": 8, "endColumn": 18} == place["region"]
    assert result["message"]["text"] == "unknown field; hint: did you mean"


def test_absolute_names_are_file_addresses() -> None:
    result = sarif({"/a/b.yaml": (ERROR,)}, version="1")["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///a/b.yaml"


def test_without_findings_there_is_a_run_without_results() -> None:
    document = sarif({"a.yaml": ()}, version="1")
    assert document["version"] == "2.1.0"
    assert document["runs"][0]["results"] == []
