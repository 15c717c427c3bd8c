"""`enclasp explain CODE`: what a message code means, and what to do."""

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import reports
from coordinator.cli.output import Output
from coordinator.cli.problems import Problem


@click.command()
@click.argument("code", required=False)
@click.option("--all", "everything", is_flag=True, help="Every code, one a line.")
@reports
def explain(output: Output, code: str | None, everything: bool) -> None:
    """Say what a message code means, and what to do.

    \b
    enclasp explain V130
    enclasp explain --all -o json
    """
    from coordinator.codes import MESSAGES

    if everything:
        messages = list(MESSAGES.values())
        documents = [{"code": m.code, "about": m.family, "title": m.title, "hint": m.hint} for m in messages]
        output.result(documents, "\n".join(f"{m.code}  {m.title}" for m in messages))
        return
    if code is None:
        raise click.UsageError("expected a CODE, or --all")
    message = MESSAGES.get(code.upper().strip("[]"))
    if message is None:
        raise Problem(f"no message has the code '{code}'", exit_codes.INVALID, "U508")
    document = {"code": message.code, "about": message.family, "title": message.title, "hint": message.hint}
    output.result(document, f"{message.code}  {message.title}\nabout  {message.family}\nhint   {message.hint}")
