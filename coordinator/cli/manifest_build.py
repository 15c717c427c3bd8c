"""`enclasp manifest build`: from the files that people edit to the one that they sign."""

import hashlib
from pathlib import Path

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.output import Output
from coordinator.cli.trust import current_moment


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@reports
def build(output: Output, files: tuple[Path, ...]) -> int:
    """Put FILEs and what they name under `Include` together, into one flat manifest that says what came from where.

    \b
    enclasp manifest build deployment.yaml --out manifest.yaml
    enclasp manifest build packages.yaml marbles.yaml secrets.yaml -o json
    """
    from coordinator.cli.check import check_document
    from coordinator.manifest.build import Source, build
    from coordinator.manifest.errors import ManifestInvalid, Severity

    def include(by: str, text: str) -> Source:
        path = Path(by).parent / text
        return Source(str(path), read_input(path))

    built = build([Source(str(path), read_input(path)) for path in files], include)
    raw = built.text.encode()
    findings = check_document(raw, name="the built manifest", compatible=False, now=current_moment())
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise ManifestInvalid("the built manifest", findings)
    fingerprint = hashlib.sha256(raw).hexdigest()
    document = {"manifest": built.text, "fingerprint": fingerprint, "origins": dict(built.origins)}
    output.result(document, raw)
    output.remark(f"fingerprint {fingerprint}")
    return exit_codes.DONE
