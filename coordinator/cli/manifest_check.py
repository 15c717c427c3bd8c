"""`enclasp manifest check`: everything that can be said of a document."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports_also
from coordinator.cli.output import Output
from coordinator.cli.trust import current_moment

if TYPE_CHECKING:
    from coordinator.manifest.errors import Finding


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--compatible", is_flag=True, help="Judge as MarbleRun would accept.")
@click.option("--lint/--no-lint", default=True, help="Say also what is legal but worth a word.  [default: lint]")
@click.option("--strict", is_flag=True, help="Exit code 9 if there are warnings.")
@partial(reports_also, further=("sarif",))
def check(output: Output, files: tuple[Path, ...], compatible: bool, lint: bool, strict: bool) -> int:
    """Check manifests: every error at once, at its line and column, and what is worth a word.

    \b
    enclasp manifest check manifest.yaml
    enclasp manifest check manifest.yaml --strict -o json
    enclasp manifest check manifests/*.yaml -o sarif --out findings.sarif
    """
    from coordinator.cli.check import check_document
    from coordinator.manifest.errors import Severity

    findings = {}
    for path in files:
        name = "<stdin>" if str(path) == "-" else str(path)
        findings[name] = check_document(
            read_input(path), name=name, compatible=compatible, now=current_moment(), remarks=lint
        )
    _report(output, findings)
    severities = {finding.severity for of_file in findings.values() for finding in of_file}
    if Severity.ERROR in severities:
        return exit_codes.INVALID
    return exit_codes.FINDINGS if strict and Severity.WARNING in severities else exit_codes.DONE


def _report(output: Output, findings: Mapping[str, "tuple[Finding, ...]"]) -> None:
    from coordinator.manifest.report import findings_json

    if output.form == "sarif":
        from importlib.metadata import version

        from coordinator.manifest.sarif import sarif

        replace(output, form="json").result(sarif(findings, version=version("enclasp")), "")
        return
    reports = [findings_json(name, of_file) for name, of_file in findings.items()]
    document = {
        "valid": all(report["valid"] for report in reports),
        "findings": [finding for report in reports for finding in report["findings"]],
    }
    output.result(document, lambda: "\n".join(text for name in findings if (text := _text(name, findings[name]))))


def _text(name: str, findings: "tuple[Finding, ...]") -> str:
    """Errors and warnings with their lines; infos, which ask for nothing, in a line each."""
    from coordinator.manifest.errors import Severity
    from coordinator.manifest.report import render_findings
    from coordinator.manifest.words import printable

    texts = [render_findings(name, (f for f in findings if f.severity is not Severity.INFO))]
    texts += [
        printable(f"info[{f.code}]: {name}:{f.line}: {f.message}") for f in findings if f.severity is Severity.INFO
    ]
    if not any(f.severity is Severity.ERROR for f in findings):
        texts.append(f"{name}: valid")
    return "\n".join(text for text in texts if text)
