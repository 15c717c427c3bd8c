"""Transcripts in documents: what a person types, and what is printed on stdout, run as it stands.

A block of kind `console` has commands behind `$ ` (further lines of one behind `> `) and what each prints.  In what is
printed `…` stands for any text in a line, and a line that is only `…` for any lines.
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """line: of the document, from 1."""

    line: int
    text: str
    printed: str


def section(page: Path, heading: str) -> tuple[int, str]:
    """The text below a heading of level 2, until the next one, and the number of its first line."""
    lines = page.read_text(encoding="utf-8").splitlines()
    begin = lines.index(f"## {heading}") + 1
    end = next((n for n in range(begin, len(lines)) if lines[n].startswith("## ")), len(lines))
    return begin + 1, "\n".join(lines[begin:end])


def commands(first_line: int, text: str) -> list[Command]:
    """Every command of the console blocks of a text, in order."""
    found: list[Command] = []
    inside = False
    for number, line in enumerate(text.splitlines(), first_line):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            found.append(Command(number, line[2:], ""))
        elif inside and line.startswith("> ") and not found[-1].printed:
            found[-1] = Command(found[-1].line, f"{found[-1].text}\n{line[2:]}", "")
        elif inside:
            found[-1] = Command(found[-1].line, found[-1].text, f"{found[-1].printed}{line}\n")
    return found


def run(command: Command, folder: Path, environ: Mapping[str, str]) -> str:
    """What differs from the document; empty where it is as it says."""
    done = subprocess.run(
        ["bash", "-c", command.text],
        cwd=folder,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if re.fullmatch(_pattern(command.printed), done.stdout):
        return ""
    return (
        f"line {command.line}: $ {command.text}\nexpected:\n{command.printed}\n"
        f"printed:\n{done.stdout}\nstderr (exit code {done.returncode}):\n{done.stderr}"
    )


def _pattern(printed: str) -> str:
    parts = []
    for line in printed.splitlines(keepends=True):
        parts.append("(?:.*\n)*" if line == "…\n" else ".*".join(re.escape(piece) for piece in line.split("…")))
    return "".join(parts)
