"""`enclasp manifest set|get|log|verify`: the manifest of a coordinator, after verification."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.manifest_convert import bytes_to_send, compatible_bytes_option
from coordinator.cli.output import Output
from coordinator.cli.recovery_data import kept, recoverydata_option, reserved
from coordinator.cli.visit import (
    Visit,
    endpoint_argument,
    insecure_option,
    manifest_of,
    say_verified,
    unverified_client,
    user_options,
    visits,
)


@click.command(name="set")
@click.argument("file", type=FILE)
@endpoint_argument
@recoverydata_option
@click.option("--replace", is_flag=True, help="Also where a state waits for recovery: it is put aside, and not served.")
@click.option("--claim-token-file", "token_file", type=FILE, help="The token of a coordinator that asks for one.")
@compatible_bytes_option
@user_options(required=False)
@insecure_option
@visits
@reports
def set_manifest(
    output: Output,
    file: Path,
    endpoint: str,
    recoverydata: Path | None,
    replace: bool,
    token_file: Path | None,
    compatible: bool,
    visit: Visit,
) -> None:
    """Verify the coordinator, then make FILE its law. The exact bytes count, and are never changed silently.

    If FILE has RecoveryKeys, each owner's encrypted share is in the result, or in the file of --recoverydata.

    \b
    enclasp manifest set manifest.yaml localhost:4433 --reference reference.yaml
    enclasp manifest set manifest.yaml localhost:4433 --reference reference.yaml --compatible -o json
    """
    import hashlib

    raw = bytes_to_send(file, output, compatible=compatible)
    if visit.reference is None and not visit.insecure:
        _refuse_faults(file, raw, compatible=compatible)
    token = "" if token_file is None else read_input(token_file).decode("utf-8", "replace").strip()
    with reserved(recoverydata):
        client = visit.client_in_any_state(endpoint, output) if replace else visit.client(endpoint, output)
        secrets = dict(client.manifest_set(raw, claim_token=token))
        secrets = kept(recoverydata, secrets, output)
    fingerprint = hashlib.sha256(raw).hexdigest()
    if secrets:
        output.remark("every owner needs their recovery secret from this result; `enclasp recovery shares` repeats it")
    document = {"fingerprint": fingerprint, "verified": not visit.insecure, "RecoverySecrets": secrets}
    table = [f"manifest set, fingerprint {fingerprint}"]
    table += [json.dumps({"RecoverySecrets": secrets}, indent=2)] if secrets else []
    output.result(document, "\n".join(table))


def _refuse_faults(file: Path, raw: bytes, *, compatible: bool) -> None:
    """Before the command line is complained of: else a person mends that, and then learns of the document.

    With a whole command line the coordinator judges, which may be a newer one.  Raises ManifestInvalid.
    """
    from coordinator.manifest.errors import ManifestInvalid, Severity
    from coordinator.manifest.parse import examine

    findings = examine(raw, name=str(file), compatible=compatible).findings
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise ManifestInvalid(str(file), findings)


@click.command()
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
    from coordinator.client.client import COMPATIBLE

    if visit.insecure:
        active = unverified_client(endpoint, output, "INSECURE: --insecure was given").manifest_get()
    else:
        deployment, _ = visit.verified(endpoint)
        say_verified(deployment, output)
        active = manifest_of(deployment)
    document = {
        "fingerprint": active.digest.hex(),
        "verified": not visit.insecure,
        "mode": active.mode,
        "manifest": active.raw.decode("utf-8", "backslashreplace"),
    }
    if active.mode == COMPATIBLE:
        output.remark("the coordinator reads this manifest in MarbleRun's way (compatible)")
    output.result(document, active.raw)


@click.command()
@endpoint_argument
@insecure_option
@visits
@reports
def log(output: Output, endpoint: str, visit: Visit) -> None:
    """Verify the coordinator, then print its update log: who changed what, oldest first.

    \b
    enclasp manifest log localhost:4433 --reference reference.yaml
    enclasp manifest log localhost:4433 --reference reference.yaml -o json
    """
    entries = visit.client(endpoint, output).update_log()
    document = {"log": [dict(entry) for entry in entries], "verified": not visit.insecure}
    output.result(document, lambda: "\n".join(_line(entry) for entry in entries))


@click.command()
@click.argument("expected", metavar="FILE|HEX")
@endpoint_argument
@compatible_bytes_option
@visits
@reports
def verify(output: Output, expected: str, endpoint: str, compatible: bool, visit: Visit) -> None:
    """Verify the coordinator, and that its manifest is FILE, or has the fingerprint HEX.

    \b
    enclasp manifest verify manifest.yaml localhost:4433 --reference reference.yaml
    enclasp manifest verify 1f3a…90cd localhost:4433 --reference reference.yaml
    """
    from coordinator.cli.verify import manifest_problem
    from coordinator.client.verify import ManifestDiffers, expect_digest, expect_manifest

    digest = _digest(expected)
    raw = None if digest is not None else bytes_to_send(Path(expected), output, compatible=compatible)
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


def _line(entry: Mapping[str, Any]) -> str:
    """One entry for people: time, what happened, and what belongs to it."""
    from coordinator.manifest.words import printable

    rest = (f"{name} {_value(value)}" for name, value in entry.items() if name not in ("time", "update"))
    words = [f"{entry.get('time', '')}  {entry.get('update', '')}", *rest]
    return printable(", ".join(words))


def _value(value: object) -> str:
    return " ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _digest(text: str) -> bytes | None:
    """The fingerprint in `text`, or None if it is none: 64 hexadecimal digits, and no file has this name."""
    if len(text) != 64 or Path(text).exists():
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
