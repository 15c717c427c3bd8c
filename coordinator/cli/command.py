"""What all commands have in common: `-o`, `--out`, `--quiet`, and how an error becomes a text and an exit code."""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from coordinator.cli import exit_codes
from coordinator.cli.output import Output, discard_stdout
from coordinator.cli.problems import Problem, bug, say, translate

P = ParamSpec("P")

FORMS = ("table", "json", "yaml")
FILE = click.Path(path_type=Path, readable=False)
"""A file that a command reads; that it is there and may be read is asked when it is read, so that one text says it."""


def program_argument(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """COMMAND ARGS... at the end, of a program that is not ours; the function gets them as `command`.

    For commands that read no option behind their first argument: one of ours that stands there is refused, else it
    would be taken for a part of COMMAND.
    """

    def of_a_program(ctx: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
        program = words[1:] if words[:1] == ("--",) else words
        if program and program[0].startswith("-"):
            raise click.UsageError(f"{program[0]}: options of ours stand before the arguments, COMMAND after --", ctx)
        return program

    return click.argument("command", nargs=-1, required=required, type=click.UNPROCESSED, callback=of_a_program)


class _Form(click.ParamType[str]):
    """The value of `-o`.  Who knows MarbleRun's command line types a file name here."""

    def __init__(self, forms: tuple[str, ...]) -> None:
        self.name = "|".join(forms)
        self._forms = forms

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self._forms:
            self.fail(
                f"-o chooses the format ({', '.join(self._forms)}). To write a file use --out {value}", param, ctx
            )
        return str(value)


def reports(function: Callable[Concatenate[Output, P], int | None]) -> Callable[..., None]:
    """Make a function a command that reports: its first argument is the `Output`, its result the exit code."""
    return reports_also(function, ())


def reports_also(
    function: Callable[Concatenate[Output, P], int | None], further: tuple[str, ...]
) -> Callable[..., None]:
    """The same, for a command that knows further forms of its own; it encodes those itself."""
    forms = (*FORMS, *further)

    @click.option(
        "-o",
        "--output",
        "form",
        type=_Form(forms),
        metavar="|".join(forms),
        default="table",
        envvar="ENCLASP_OUTPUT",
        help="Form of the result on stdout.",
    )
    @click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this file.")
    @click.option("--quiet", is_flag=True, help="No remarks on stderr; errors stay.")
    @functools.wraps(function)
    def command(*args: Any, form: str, out: Path | None, quiet: bool, **named: Any) -> None:
        output = Output(form, out, quiet)
        code = guarded(lambda: function(output, *args, **named), machine=output.machine)
        click.get_current_context().exit(code)

    return command


def guarded(action: Callable[[], int | None], *, machine: bool) -> int:
    """Run an action; say on stderr what went wrong, and return the exit code."""
    try:
        code = action()
    except Problem as problem:
        say(problem, machine=machine)
        return problem.exit_code
    except click.ClickException:
        raise
    except BrokenPipeError:
        # The reader had enough (`| head`).  Nothing more may be written, also not while the process ends.
        discard_stdout()
        os.dup2(sys.stdout.fileno(), sys.stderr.fileno())
        return exit_codes.DONE
    except Exception as error:
        if os.environ.get("ENCLASP_DEBUG"):
            raise
        said = translate(error) or bug(error)
        say(said, machine=machine)
        return said.exit_code
    return exit_codes.DONE if code is None else code


def read_input(path: Path, limit: int = 16 * 1024 * 1024) -> bytes:
    """The bytes of a file that the user named, or of stdin for `-`.  Raises OSError, Problem if it is too long."""
    if str(path) == "-":
        raw = sys.stdin.buffer.read(limit + 1)
    else:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    if len(raw) > limit:
        raise Problem(f"{path}: expected at most {limit} bytes", exit_codes.INVALID, "U501")
    return raw
