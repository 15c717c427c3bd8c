"""Results go to stdout (or `--out FILE`), in the form that `-o` chose; everything else goes to stderr."""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRIVATE = 0o600
PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class Output:
    """form: table, json or yaml.  out: where the result goes instead of stdout.  quiet: no remarks on stderr."""

    form: str = "table"
    out: Path | None = None
    quiet: bool = False

    @property
    def machine(self) -> bool:
        """A program reads this."""
        return self.form != "table"

    def result(self, document: Any, table: str | bytes | Callable[[], str], *, mode: int = PUBLIC) -> None:
        """Write the one result.  document: JSON-able, stable keys.  table: the same for people, or exact bytes.

        mode: of the file, where the result goes to one; PRIVATE for secrets.
        """
        if self.machine:
            self._write(self._encode(document), mode)
        elif isinstance(table, bytes):
            self._write(table, mode)
        else:
            text = table if isinstance(table, str) else table()
            self._write(text.rstrip("\n").encode() + b"\n", mode)

    def remark(self, text: str) -> None:
        """A remark for people, on stderr."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def without_file(self) -> "Output":
        """The same, for a command that writes something else to `--out`."""
        return Output(self.form, None, self.quiet)

    def _encode(self, document: Any) -> bytes:
        if self.form == "json":
            return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
        import yaml

        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000).encode()

    def _write(self, raw: bytes, mode: int) -> None:
        if self.out is not None:
            write_file(self.out, raw, mode=mode)
            self.remark(f"written to {self.out}")
            return
        _to_stdout(raw)


def _to_stdout(raw: bytes) -> None:
    """Raises BrokenPipeError; another OSError names stdout, as one of a file names that."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as cause:
        discard_stdout()
        raise OSError(cause.errno, cause.strerror, "stdout") from cause


def discard_stdout() -> None:
    """What could not be written is not tried again, also not while the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def write_file(path: Path, raw: bytes, *, mode: int = PUBLIC) -> None:
    """Write the whole file or nothing: a neighbour first, then a rename.  Raises OSError."""
    if str(path) == "-":
        _to_stdout(raw)
        return
    try:
        handle, neighbour = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as cause:
        raise OSError(cause.errno, cause.strerror, str(path)) from cause
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        os.chmod(neighbour, mode)
        os.replace(neighbour, path)
    except BaseException:
        os.unlink(neighbour)
        raise


def paint(text: str, colour: str) -> str:
    """Colour, where the result goes to a terminal that wants it; never the only carrier of a meaning."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    codes = {"green": "32", "red": "31", "yellow": "33", "bold": "1"}
    return f"\x1b[{codes[colour]}m{text}\x1b[0m" if wanted else text
