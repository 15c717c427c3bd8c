"""`enclasp marble run|list`: join a deployment, then become the program."""

import os
import sys

import click

from coordinator.cli.command import guarded, program_argument
from coordinator.cli.group import Group
from coordinator.cli.marble_list import list_marbles


@click.group(cls=Group)
def marble() -> None:
    """Run a program as a marble; see which marbles there are."""


marble.add_command(list_marbles)


@marble.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--type", "marble_type", help="Marble type in the manifest; else EDG_MARBLE_TYPE.")
@program_argument(required=True)
@click.pass_context
def run(ctx: click.Context, marble_type: str | None, command: tuple[str, ...]) -> None:
    """Attest, receive files, environment and arguments from the coordinator, then become COMMAND.

    The coordinator is EDG_MARBLE_COORDINATOR_ADDR (localhost:2001). Signals and the exit code are COMMAND's own.
    Certificates that end are renewed in COMMAND's files while it runs, by a process beside it.

    \b
    enclasp marble run --type web -- python server.py
    EDG_MARBLE_TYPE=web enclasp marble run -- ./server --port 8000
    """
    environ = dict(os.environ)
    if marble_type is not None:
        environ["EDG_MARBLE_TYPE"] = marble_type

    def launch() -> int | None:
        from marble import launch

        sys.stdout.flush()
        return launch.run(list(command), environ)

    ctx.exit(guarded(launch, machine=False))
