"""Findings in SARIF 2.1.0, for code scanning and editors.  Source: OASIS SARIF 2.1.0, sections 3.13 to 3.30."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from coordinator.manifest.codes import CODES
from coordinator.manifest.errors import Finding, Severity


def sarif(files: Mapping[str, Iterable[Finding]], *, version: str) -> dict[str, Any]:
    """One run over several files.  files: name to findings; version: of this program."""
    results = [_result(name, finding) for name, findings in files.items() for finding in findings]
    used = sorted({result["ruleId"] for result in results})
    index = {code: number for number, code in enumerate(used)}
    for result in results:
        result["ruleIndex"] = index[result["ruleId"]]
    driver = {"name": "enclasp", "version": version, "rules": [_rule(code) for code in used]}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    title, hint = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": title},
        "help": {"text": f"{title}: {hint}; `enclasp explain {code}` says this too"},
    }


def _result(name: str, finding: Finding) -> dict[str, Any]:
    text = f"{finding.message}; hint: {finding.hint}" if finding.hint else finding.message
    region = {
        "startLine": finding.line,
        "startColumn": finding.column,
        "endLine": finding.line,
        "endColumn": finding.column + finding.width,
    }
    return {
        "ruleId": finding.code,
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(name)}, "region": region},
                "logicalLocations": [{"fullyQualifiedName": finding.path, "kind": "member"}],
            }
        ],
    }


def _uri(name: str) -> str:
    """A relative reference, or file: and an absolute path (RFC 3986)."""
    encoded = quote(name)
    return f"file://{encoded}" if name.startswith("/") else encoded


_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
