"""The command line's entry: `enclasp`.  Each group is imported when it is used, so that `--help` is quick."""

import importlib
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FORMS
from coordinator.cli.group import Group
from coordinator.cli.output import discard_stdout
from coordinator.cli.problems import Problem, say

_COMMANDS: Final[Mapping[str, str]] = {
    "demo": "coordinator.cli.demo",
    "coordinator": "coordinator.cli.coordinator",
    "marble": "coordinator.cli.marble",
    "manifest": "coordinator.cli.manifest",
    "verify": "coordinator.cli.verify",
    "status": "coordinator.cli.status",
    "certificate": "coordinator.cli.certificate",
    "secret": "coordinator.cli.secret",
    "recover": "coordinator.cli.recover",
    "recover-with-signature": "coordinator.cli.recover",
    "recovery": "coordinator.cli.recovery",
    "journal": "coordinator.cli.journal",
    "evidence": "coordinator.cli.evidence",
    "collateral": "coordinator.cli.collateral",
    "simulate": "coordinator.cli.simulate",
    "kubernetes": "coordinator.cli.kubernetes",
    "explain": "coordinator.cli.explain",
    "doctor": "coordinator.cli.doctor",
    "completion": "coordinator.cli.completion",
    "version": "coordinator.cli.version",
}

_EPILOG = """\b
Results go to stdout, everything else to stderr.  Exit codes:
  0 yes, done       1 a bug of ours        2 usage             3 input invalid
  4 refused         5 other manifest       6 unreachable       7 not authorised
  8 needs recovery  9 findings (--strict)  130 interrupted
"""


class _LazyGroup(Group):
    """Knows the names of its commands; imports the module of one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = getattr(importlib.import_module(module), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, 1)
            hint = f"did you mean 'enclasp {near[0]}'?" if near else "'enclasp --help' lists the commands"
            raise click.UsageError(f"no such command '{args[0]}'; {hint}", ctx) from error


@click.group(
    cls=_LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(None, "-V", "--version", package_name="enclasp", message="%(prog)s %(version)s")
def enclasp() -> None:
    """Enclasp: one manifest, attested services, one certificate that proves the whole deployment."""


def main() -> None:
    """Run one command, and end the process with its exit code."""
    if sys.stdout is None:  # closed by who started us (`>&-`)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.  arguments: without the program's name; None takes the process's."""
    machine = _for_machines(sys.argv[1:] if arguments is None else arguments)
    try:
        code = enclasp.main(arguments, prog_name="enclasp", standalone_mode=False)
    except click.Abort:
        print("interrupted", file=sys.stderr)
        return exit_codes.INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as help_text:
        print(help_text.format_message(), file=sys.stderr)
        return exit_codes.USAGE
    except click.ClickException as error:
        _say_usage(error, machine=machine)
        return exit_codes.USAGE
    except OSError as error:  # a help text that could not be written
        discard_stdout()
        say(Problem(f"stdout: {error.strerror}", exit_codes.INVALID, "U501"), machine=machine)
        return exit_codes.INVALID
    return code if isinstance(code, int) else exit_codes.DONE


def _say_usage(error: click.ClickException, *, machine: bool) -> None:
    usage = error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx is not None else ""
    if machine:
        say(Problem(error.format_message(), exit_codes.USAGE, "U510", usage), machine=True)
        return
    if usage:
        print(usage, file=sys.stderr)
    print(f"error: {error.format_message()}", file=sys.stderr)


def _for_machines(arguments: Sequence[str]) -> bool:
    """Whether `-o` or the environment asks for JSON or YAML, on a command line that may be wrong."""
    form = os.environ.get("ENCLASP_OUTPUT", "")
    ours = tuple(itertools.takewhile(lambda word: word != "--", arguments))
    for word, following in itertools.pairwise((*ours, "")):
        if word in ("-o", "--output"):
            form = following
        elif word.startswith("--output=") or (word.startswith("-o") and not word.startswith("-out")):
            form = word.removeprefix("--output=").removeprefix("-o")
    return form in FORMS[1:]


if __name__ == "__main__":
    main()
