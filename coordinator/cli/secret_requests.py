"""`enclasp secret request|requests|approve|withdraw|sign`: read secrets together, where the manifest wants it so."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem
from coordinator.cli.signatures import read_signature
from coordinator.cli.signing import Way, signs, write_signature
from coordinator.cli.visit import (
    Visit,
    endpoint_argument,
    insecure_option,
    names_and_endpoint,
    user_options,
    visits,
)

if TYPE_CHECKING:
    from coordinator.client.readings import ReadRequestAnswer
    from coordinator.wire.read_requests import ReadRequestDocument


class Lasting(click.ParamType[timedelta]):
    """A time as 30m, 12h or 2d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        from coordinator.manifest.duration import is_duration, parse_duration

        if isinstance(value, timedelta):
            return value
        if not is_duration(value):
            self.fail(f"expected a time as 30m, 12h or 2d, got '{value}'", param, ctx)
        return parse_duration(value)


@click.command()
@names_and_endpoint
@click.option("--reason", required=True, help="Why; approvers see it, and it stays in the log that everybody may read.")
@click.option("--expires", type=Lasting(), help="How long the request lasts: 30m, 12h. Default: as the manifest says.")
@user_options(required=True)
@insecure_option
@visits
@reports
def request(
    output: Output,
    names: tuple[str, ...],
    endpoint: str,
    reason: str,
    expires: timedelta | None,
    visit: Visit,
) -> None:
    """Verify the coordinator, then ask to read secrets that the manifest gives only with the approval of others.

    When enough have approved, `enclasp secret get` with the same names gives you the values, and nobody else.

    \b
    enclasp secret request master localhost:4433 --reason "ticket 17" --user-cert alice.pem --user-key alice.key
    enclasp secret request master localhost:4433 --reason "ticket 17" --expires 2h -c alice.pem -k alice.key -o json
    """
    answer = visit.client(endpoint, output).read_request(names, reason, expires)
    output.result(_document(answer, visit), lambda: "\n".join(_lines(answer)))


@click.command()
@endpoint_argument
@click.option("--request", "name", metavar="ID", help="Write this one's exact bytes, which approvers sign.")
@insecure_option
@visits
@reports
def requests(output: Output, endpoint: str, name: str | None, visit: Visit) -> None:
    """Verify the coordinator, then list requests to read secrets: who asks, why, who has approved, who is missing.

    \b
    enclasp secret requests localhost:4433 --reference reference.yaml
    enclasp secret requests localhost:4433 --request 4f1d2c3b5a697887 --out request.json --reference reference.yaml
    """
    answers = visit.client(endpoint, output).read_requests()
    if name is None:
        document = {"requests": [dict(answer.standing) for answer in answers], "verified": not visit.insecure}
        lines = [line for answer in answers for line in _lines(answer)]
        output.result(document, "\n".join(lines or ["no request is open"]))
        return
    answer = _named(answers, name)
    output.remark("\n".join(_words(answer.document)))
    output.result(_document(answer, visit), answer.raw)


@click.command()
@click.argument("name", metavar="ID")
@endpoint_argument
@click.option(
    "--approval",
    "approvals",
    type=FILE,
    multiple=True,
    help="A detached signature (`secret sign`) of somebody who approves; several times for several.",
)
@user_options(required=False)
@insecure_option
@visits
@reports
def approve(output: Output, name: str, endpoint: str, approvals: tuple[Path, ...], visit: Visit) -> None:
    """Approve that somebody reads secrets: by --user-cert and --user-key, or with signatures that were made elsewhere.

    What is approved is said on stderr before it is.

    \b
    enclasp secret approve 4f1d2c3b5a697887 localhost:4433 --user-cert bob.pem --user-key bob.key -o json
    enclasp secret approve 4f1d2c3b5a697887 localhost:4433 --approval bob.sig --approval carol.sig
    """
    signatures = _signatures(approvals)
    if visit.user is None and not signatures:
        raise click.UsageError("give --user-cert and --user-key, or --approval")
    client = visit.client(endpoint, output)
    output.remark("\n".join(_words(_named(client.read_requests(), name).document)))
    answer = client.read_approve(name, signatures)
    output.result(_document(answer, visit), lambda: "\n".join(_lines(answer)))


@click.command()
@click.argument("name", metavar="ID")
@endpoint_argument
@user_options(required=True)
@insecure_option
@visits
@reports
def withdraw(output: Output, name: str, endpoint: str, visit: Visit) -> None:
    """End a request to read secrets: your own, or one that you might approve and do not want.

    \b
    enclasp secret withdraw 4f1d2c3b5a697887 localhost:4433 --user-cert bob.pem --user-key bob.key
    enclasp secret withdraw 4f1d2c3b5a697887 localhost:4433 -c bob.pem -k bob.key -o json
    """
    visit.client(endpoint, output).read_withdraw(name)
    output.result({"withdrawn": name, "verified": not visit.insecure}, f"request {name} is withdrawn")


@click.command(name="sign")
@click.argument("file", type=FILE)
@signs
@reports
def sign_request(output: Output, file: Path, way: Way) -> None:
    """Sign a request to read secrets, offline, as `secret requests --request ID` wrote it. What it asks is on stderr.

    A key on a token signs there (--pkcs11-module); one that stays elsewhere signs what --message writes, as for
    `manifest sign`.

    \b
    enclasp secret sign request.json --key bob.key --out bob.sig
    enclasp secret sign request.json --certificate bob.pem --out bob.sig --pkcs11-module libsofthsm2.so \\
      --pkcs11-token bob --pkcs11-key approvals --pkcs11-pin-file bob.pin
    enclasp secret sign request.json --message --out message.bin
    enclasp secret sign request.json --made signature.bin --certificate bob.pem --out bob.sig
    """
    from coordinator.manifest.signature import Subject
    from coordinator.wire.read_requests import MOST_BYTES, ReadRequestFormatError, parse_request

    raw = read_input(file, limit=MOST_BYTES)
    try:
        document = parse_request(raw)
    except ReadRequestFormatError as cause:
        raise Problem(f"{file}: {cause}", exit_codes.INVALID, "U572") from cause
    output.remark("\n".join(_words(document)))
    write_signature(output, raw, Subject.READ_REQUEST, way)


def _signatures(paths: tuple[Path, ...]) -> list[dict[str, str]]:
    from coordinator.manifest.signature import Subject

    return [read_signature(path, Subject.READ_REQUEST).as_json() for path in paths]


def _named(answers: "tuple[ReadRequestAnswer, ...]", name: str) -> "ReadRequestAnswer":
    found = next((answer for answer in answers if answer.document.id == name), None)
    if found is None:
        raise Problem(f"no request '{name}' is open", exit_codes.INVALID, "A231")
    return found


def _document(answer: "ReadRequestAnswer", visit: Visit) -> dict[str, Any]:
    return {**answer.standing, "verified": not visit.insecure}


def _lines(answer: "ReadRequestAnswer") -> list[str]:
    """One request and how it stands, for people."""
    from coordinator.manifest.words import printable

    document = answer.document
    state = "approved"
    if answer.wanted:
        state = f"waiting: {answer.wanted}"
    elif not answer.granted:
        state = f"approved: the values are given from {_time(document.not_before)} on"
    lines = [
        f"request {document.id}: {document.user} asks to read {', '.join(document.secrets)}: {document.reason}",
        f"  {state}",
        *([f"  approved by {', '.join(answer.approved)}"] if answer.approved else []),
        f"  over at {_time(document.expires)}",
    ]
    return [printable(line) for line in lines]


def _words(document: "ReadRequestDocument") -> list[str]:
    """What an approval of this document says."""
    from coordinator.manifest.words import printable

    lines = [
        f"user {document.user} asks to read {', '.join(document.secrets)}, in request {document.id}",
        f"  reason    {document.reason}",
        f"  given     from {_time(document.not_before)} to {_time(document.expires)}",
        f"  manifest  {document.manifest.hex()}",
    ]
    return [printable(line) for line in lines]


def _time(moment: Any) -> str:
    return str(moment.isoformat(timespec="seconds")).replace("+00:00", "Z")
