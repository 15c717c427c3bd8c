"""`enclasp manifest …`: check a document, and set, get and verify the one of a coordinator."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

import coordinator
from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.output import Output, write_file
from coordinator.cli.problems import Problem
from coordinator.cli.trust import current_moment
from coordinator.cli.visit import Visit, endpoint_argument, insecure_option, say_verified, unverified_client, visits

if TYPE_CHECKING:
    from coordinator.client.verify import VerifiedDeployment

TEMPLATES = ("minimal", "tdx", "sgx", "two_platforms", "marblerun_sgx")


@click.group()
def manifest() -> None:
    """Write, check, set, get and verify manifests."""


@manifest.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--compatible", is_flag=True, help="Judge as MarbleRun would accept.")
@click.option("--strict", is_flag=True, help="Exit code 9 if there are warnings.")
@reports
def check(output: Output, files: tuple[Path, ...], compatible: bool, strict: bool) -> int:
    """Check manifests: every error at once, at its line and column.

    \b
    enclasp manifest check manifest.yaml
    enclasp manifest check manifest.yaml --strict -o json
    """
    from coordinator.cli.check import check_document
    from coordinator.manifest.errors import Severity
    from coordinator.manifest.report import findings_json, render_findings

    reports_of_files, texts = [], []
    severities: set[Severity] = set()
    for path in files:
        name = "<stdin>" if str(path) == "-" else str(path)
        findings = check_document(read_input(path), name=name, compatible=compatible, now=current_moment())
        severities |= {finding.severity for finding in findings}
        reports_of_files.append(findings_json(name, findings))
        texts.append(render_findings(name, findings))
        if not any(finding.severity is Severity.ERROR for finding in findings):
            texts.append(f"{name}: valid")
    document = {
        "valid": Severity.ERROR not in severities,
        "findings": [finding for report in reports_of_files for finding in report["findings"]],
    }
    output.result(document, "\n".join(text for text in texts if text))
    if Severity.ERROR in severities:
        return exit_codes.INVALID
    return exit_codes.FINDINGS if strict and Severity.WARNING in severities else exit_codes.DONE


@manifest.command(name="set")
@click.argument("file", type=FILE)
@endpoint_argument
@click.option("--recoverydata", "-r", type=FILE, help="Write the recovery secrets to this file (0600).")
@insecure_option
@visits
@reports
def set_manifest(output: Output, file: Path, endpoint: str, recoverydata: Path | None, visit: Visit) -> None:
    """Verify the coordinator, then make FILE its law. The exact bytes count.

    \b
    enclasp manifest set manifest.yaml localhost:4433 --reference reference.yaml
    enclasp manifest set manifest.yaml localhost:4433 --reference reference.yaml -o json
    """
    import hashlib
    import json

    raw = read_input(file)
    client = visit.client(endpoint, output)
    secrets = dict(client.manifest_set(raw))
    fingerprint = hashlib.sha256(raw).hexdigest()
    if recoverydata is not None:
        write_file(recoverydata, json.dumps({"RecoverySecrets": secrets}, indent=2).encode() + b"\n", mode=0o600)
        output.remark(f"recovery secrets written to {recoverydata}; keep them where the coordinator is not")
        secrets = {}
    document = {"fingerprint": fingerprint, "verified": not visit.insecure, "RecoverySecrets": secrets}
    table = [f"manifest set, fingerprint {fingerprint}"]
    table += [json.dumps({"RecoverySecrets": secrets}, indent=2)] if secrets else []
    output.result(document, "\n".join(table))


@manifest.command()
@endpoint_argument
@insecure_option
@visits
@reports
def get(output: Output, endpoint: str, visit: Visit) -> None:
    """Verify the coordinator, then write its active manifest, byte for byte.

    \b
    enclasp manifest get localhost:4433 --reference reference.yaml --out active.yaml
    enclasp manifest get localhost:4433 --reference reference.yaml -o json
    """
    if visit.insecure:
        active = unverified_client(endpoint, output, "INSECURE: --insecure was given").manifest_get()
    else:
        deployment, _ = visit.verified(endpoint)
        say_verified(deployment, output)
        _require_manifest(deployment)
        assert deployment.manifest is not None
        active = deployment.manifest
    document = {
        "fingerprint": active.digest.hex(),
        "verified": not visit.insecure,
        "manifest": active.raw.decode("utf-8", "backslashreplace"),
    }
    output.result(document, active.raw)


@manifest.command()
@click.argument("expected", metavar="FILE|HEX")
@endpoint_argument
@visits
@reports
def verify(output: Output, expected: str, endpoint: str, visit: Visit) -> None:
    """Verify the coordinator, and that its manifest is FILE, or has the fingerprint HEX.

    \b
    enclasp manifest verify manifest.yaml localhost:4433 --reference reference.yaml
    enclasp manifest verify 1f3a…90cd localhost:4433 --reference reference.yaml
    """
    from coordinator.cli.verify import manifest_problem
    from coordinator.client.verify import ManifestDiffers, expect_digest, expect_manifest

    digest = _digest(expected)
    raw = None if digest is not None else read_input(Path(expected))
    deployment, _ = visit.verified(endpoint)
    say_verified(deployment, output)
    try:
        if digest is not None:
            expect_digest(deployment, digest)
        else:
            assert raw is not None
            expect_manifest(deployment, raw, name=expected)
    except ManifestDiffers as cause:
        raise manifest_problem(cause) from cause
    fingerprint = deployment.manifest_digest.hex()
    simulated = " (SIMULATED)" if deployment.simulated else ""
    document = {"matches": True, "fingerprint": fingerprint, "simulated": deployment.simulated}
    output.result(document, f"OK  {fingerprint}{simulated}")


@manifest.command()
@reports
def schema(output: Output) -> None:
    """Print the JSON Schema of manifests, for editors.

    \b
    enclasp manifest schema --out manifest.schema.json
    enclasp manifest schema -o json
    """
    import json

    raw = _data("manifest.schema.json")
    output.result(json.loads(raw), raw)


@manifest.command()
@click.argument("file", type=FILE, default=Path("manifest.yaml"))
@click.option("--template", type=click.Choice(TEMPLATES), default="minimal", help="The starting point.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@reports
def init(output: Output, file: Path, template: str, force: bool) -> None:
    """Write a commented manifest to start from.

    \b
    enclasp manifest init manifest.yaml
    enclasp manifest init manifest.yaml --template two_platforms
    """
    if file.exists() and not force:
        raise Problem(f"{file}: exists", exit_codes.INVALID, "U501", "choose another name, or replace it with --force")
    raw = _data("minimal.yaml" if template == "minimal" else f"templates/{template}.yaml")
    write_file(file, raw)
    output.result({"file": str(file), "template": template}, f"written to {file}; next: enclasp manifest check {file}")


def _require_manifest(deployment: "VerifiedDeployment") -> None:

    if deployment.manifest is None:
        raise Problem("the coordinator has no manifest yet", exit_codes.INVALID, "V136")


def _digest(text: str) -> bytes | None:
    """The fingerprint in `text`, or None if it is none: 64 hexadecimal digits, and no file has this name."""
    if len(text) != 64 or Path(text).exists():
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def _data(name: str) -> bytes:
    """A file of `manifests/`, which lies beside our packages, in the repository as in an installation."""
    return (Path(coordinator.__path__[0]).parent / "manifests" / name).read_bytes()
