"""`enclasp verify ENDPOINT|FILE`: is this the deployment that we agreed on?"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.ear import ear_option, read_ear_key, sign_ear
from coordinator.cli.follow import followed, read_known, step_lines
from coordinator.cli.output import Output, write_file
from coordinator.cli.problems import Problem
from coordinator.cli.visit import Visit, visits
from coordinator.manifest.words import printable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from attestation.appraisal import Verdict
    from attestation.checks import Check
    from coordinator.client.configuration import Configuration
    from coordinator.client.difference import Difference
    from coordinator.client.history import Followed
    from coordinator.client.verify import ManifestDiffers, VerificationRefused, VerifiedDeployment


@click.command()
@click.argument("target", metavar="ENDPOINT|FILE", envvar=["ENCLASP_COORDINATOR", "MARBLERUN"])
@click.option(
    "--manifest",
    type=FILE,
    help="The manifest that you agreed to; another one ends with exit code 5. Coordinators that it names are accepted "
    "besides those of --reference.",
)
@click.option(
    "--follow",
    metavar="FILE|HEX",
    help="What you verified before: a manifest, its fingerprint, or the certificates that --out wrote. Accepts what "
    "has become of it by updates that the people named in it approved, and says what each weakened or widened.",
)
@ear_option
@visits
@reports
def verify(
    output: Output, target: str, manifest: Path | None, follow: str | None, ear_key: Path | None, visit: Visit
) -> None:
    """Verify a deployment from outside: its evidence, its root certificate and its manifest.

    ENDPOINT is HOST:PORT of a running coordinator; it is asked with a fresh nonce. FILE is a root certificate in PEM;
    it is verified offline, by the evidence inside it. --out FILE writes the verified certificates as PEM.
    --ear KEY writes a signed attestation result to stdout; a deployment that is refused gets none that affirms it.

    \b
    enclasp verify localhost:4433 --reference reference.yaml --manifest manifest.yaml --out verified.pem
    enclasp verify localhost:4433 --reference reference.yaml --follow verified.pem --out verified.pem
    enclasp verify localhost:4433 --reference reference.yaml --ear verifier.key
    enclasp verify root.pem --reference reference.yaml --collateral collateral.json --manifest manifest.yaml
    """
    from coordinator.client.configuration import is_told, with_configuration
    from coordinator.client.coordinators import accepted_by
    from coordinator.client.verify import ManifestDiffers, VerificationRefused, expect_manifest, verify_root
    from pki.certificates import load_pem_chain, pem

    expected = None if manifest is None else read_input(manifest)
    if expected is not None:
        visit = replace(visit, accepted=accepted_by(expected))
    known = None if follow is None else read_known(follow)
    signer = None if ear_key is None else read_ear_key(ear_key)
    result = output.without_file()
    client = None
    try:
        if _is_file(target):
            chain = load_pem_chain(read_input(Path(target)))
            deployment = verify_root(chain[-1], visit.expectation(), now=visit.now)
        else:
            deployment, client = visit.verified(target)
        shown = client.configuration() if client is not None and is_told(deployment) else None
        deployment, configuration = with_configuration(deployment, shown)
    except VerificationRefused as refusal:
        if signer is None:
            report_refusal(result, target, refusal)
        elif refusal.verdict is not None:
            _write_ear(result, target, _refused(refusal.verdict, refusal.checks), signer, visit)
        raise
    try:
        if expected is not None:
            deployment = expect_manifest(deployment, expected, name=str(manifest))
    except ManifestDiffers as cause:
        if signer is None:
            _report(result, target, deployment, configuration, matches=False, difference=cause.difference, steps=())
        raise manifest_problem(cause) from cause
    steps: tuple[Followed, ...] = ()
    if known is not None:
        deployment, steps = followed(deployment, client, known)
        if client is None and known.digest != deployment.manifest_digest:
            output.remark("offline: who approved the steps since then, and what they weakened, a running one says")
    if signer is None:
        matches = None if expected is None and known is None else True
        _report(
            result, target, deployment, configuration, matches=matches, difference=None, steps=steps, agreed=expected
        )
    else:
        _write_ear(result, target, deployment.verdict, signer, visit)
    if output.out is not None:
        upper = () if deployment.intermediate is None else (deployment.intermediate,)
        write_file(output.out, pem(*upper, deployment.root))
        output.remark(f"verified certificates written to {output.out}")


def report_refusal(output: Output, target: str, refusal: "VerificationRefused") -> None:
    """Write everything that was looked at before the refusal is said."""
    from coordinator.cli.verdicts import banner, check_json, check_summary

    verdict = None if refusal.verdict is None else refusal.verdict.as_json()
    document: dict[str, Any] = {
        "target": target,
        **(verdict or {"verdict": "none", "genuine": False, "platform": None, "simulated": False, "claims": {}}),
        "verified": False,
        "checks": [check_json(check) for check in refusal.checks],
    }
    simulated = refusal.verdict is not None and refusal.verdict.simulated
    output.result(document, "\n".join([*banner(simulated), f"NOT VERIFIED  {target}", *check_summary(refusal.checks)]))


def _refused(verdict: "Verdict", checks: "tuple[Check, ...]") -> "Verdict":
    """The evidence alone may be good; what the visitor found makes it a refusal all the same."""
    from attestation.appraisal import Outcome

    outcome = verdict.outcome if verdict.outcome is Outcome.NONE else Outcome.CONTRAINDICATED
    return replace(verdict, outcome=outcome, checks=checks)


def _write_ear(output: Output, target: str, verdict: "Verdict", key: "EllipticCurvePrivateKey", visit: Visit) -> None:
    token = sign_ear({target: verdict}, key, at=visit.now, policy=visit.reference)
    output.result({"ear": token}, token)


def manifest_problem(cause: "ManifestDiffers") -> Problem:
    """The refusal of a manifest that is not the expected one: its first differing line, then all of them."""
    detail, data = "", {}
    if cause.difference is not None:
        detail = "\n".join(_difference_lines(cause.difference))
        data = {"difference": _difference_json(cause.difference)}
    return Problem(str(cause), exit_codes.OTHER_MANIFEST, cause.code, detail=detail, data=data)


def _is_file(target: str) -> bool:
    return target == "-" or target.endswith((".pem", ".crt")) or Path(target).is_file()


def _report(
    output: Output,
    target: str,
    deployment: "VerifiedDeployment",
    configuration: "Configuration",
    *,
    matches: bool | None,
    difference: "Difference | None",
    steps: "tuple[Followed, ...]",
    agreed: bytes | None = None,
) -> None:
    """agreed: the visitor's own copy of the manifest, where it is the one in force."""
    from coordinator.cli.verdicts import banner, check_json, check_summary
    from coordinator.client.coordinators import Coordinators, coordinators
    from coordinator.client.history import steps_json
    from pki.certificates import der

    law = agreed if deployment.manifest is None else deployment.manifest.raw
    served = Coordinators((), ()) if law is None else coordinators(law, deployment.verdict.claims)
    verdict = deployment.verdict.as_json()
    root = hashlib.sha256(der(deployment.root)).hexdigest()
    fingerprint = deployment.manifest_digest.hex() or None
    document: dict[str, Any] = {
        "target": target,
        **verdict,
        "verified": True,
        "root": {"sha256": root},
        "manifest": {
            "fingerprint": fingerprint,
            "matches": matches,
            "difference": None if difference is None else _difference_json(difference),
        },
        "coordinators": {"serving": list(served.serving), "accepted": list(served.named)},
        "configuration": configuration.as_json(),
        "followed": list(steps_json(steps)),
        "checks": [check_json(check) for check in deployment.checks],
    }
    words = {True: "as expected", False: "NOT the expected one", None: "not compared: give yours with --manifest"}
    lines = [
        *banner(deployment.simulated),
        f"{'VERIFIED' if matches is not False else 'OTHER MANIFEST'}  {target}",
        f"{'verdict':<26}{verdict['verdict']}",
        f"{'platform':<26}{verdict['platform']}{' (SIMULATED)' if deployment.simulated else ''}",
        f"{'root':<26}sha256 {root}",
        f"{'manifest':<26}{fingerprint or 'none is set'}  ({words[matches]})",
        *_coordinator_lines(served.named, served.serving),
        f"{'configuration':<26}{printable(configuration.words)}",
        f"{'tcb_status':<26}{verdict['claims']['tcb_status']}",
        *(line for step in steps for line in step_lines(step)),
        *check_summary(deployment.checks),
    ]
    output.result(document, "\n".join(lines))


def _coordinator_lines(named: tuple[str, ...], serving: tuple[str, ...]) -> list[str]:
    """Which program serves, by its name in the manifest, and which others may have the root key."""
    if not named:
        return []
    others = ", ".join(printable(name) for name in named if name not in serving)
    who = ", ".join(map(printable, serving)) or "none that the manifest names"
    return [f"{'coordinator':<26}{who}{f'  (the manifest also accepts {others})' if others else ''}"]


def _difference_json(difference: "Difference") -> dict[str, Any]:
    return {"line": difference.line, "yours": difference.yours, "active": difference.active}


def _difference_lines(difference: "Difference") -> list[str]:
    if difference.only_line_ends:
        return ["  only the ends of lines differ (LF, CRLF, or none after the last); the fingerprint is of exact bytes"]
    return [*_first_line(difference), *(f"  {line}" for line in difference.unified)]


def _first_line(difference: "Difference") -> list[str]:
    ended = "(the document has ended)"
    return [
        f"  first difference in line {difference.line}",
        f"    yours   {ended if difference.yours is None else difference.yours}",
        f"    active  {ended if difference.active is None else difference.active}",
    ]
