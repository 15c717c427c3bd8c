"""How does what the manifest says become files, environment and arguments?  All of it, or nothing.

Source: MarbleRun contract, section 2.9: folders 0700, files 0600, paths absolute or below the working directory.
"""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from marble.errors import ParametersInvalid
from marble.protocol import Parameters

_NO_ARGUMENTS: Final = ((), ("./marble",))
"""Both mean that the manifest has no Argv: MarbleRun puts the second where it has the first (contract 2.9)."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to become.  argv[0] is looked up in PATH if it has no slash.  Both hold secrets."""

    argv: tuple[str, ...] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)


def program_of(parameters: Parameters, command: Sequence[str], environ: Mapping[str, str]) -> Program:
    """The manifest's arguments, or `command` where it has none; its variables over those of the launcher.

    Raises ParametersInvalid for arguments and variables that no process can have.
    """
    argv = tuple(command) if parameters.argv in _NO_ARGUMENTS else parameters.argv
    if not argv[0]:
        raise ParametersInvalid("A282", "Argv: expected the name of a program first, got nothing")
    for index, argument in enumerate(argv):
        if "\0" in argument:
            raise ParametersInvalid("A282", f"Argv/{index}: expected text without NUL, got one")
    for name, value in parameters.env.items():
        if not name or "=" in name or "\0" in name:
            raise ParametersInvalid("A281", f"Env: expected a name without '=' and NUL, got {name!a}")
        if b"\0" in value:
            raise ParametersInvalid(
                "A281", f"Env/{name}: expected a value without NUL, got one", "encode the value, e.g. {{ base64 … }}"
            )
    return Program(argv, {**environ, **{name: os.fsdecode(value) for name, value in parameters.env.items()}})


class Files:
    """The manifest's files, as a transaction: `with Files(…) as files: files.lay_down()`.

    Left by an exception, everything that was made is removed again.  Contents are first written beside their
    targets under hidden names, then all are renamed; so a target is never seen half written, and a file that
    another one replaces is lost only once every content is on the disk.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._contents: dict[Path, bytes] = {}
        for path, content in files.items():
            if self._contents.setdefault(_target(path), content) is not content:
                raise ParametersInvalid("A280", f"Files: expected each file once, got '{path}' twice")
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            for path in reversed(self._made):
                with contextlib.suppress(OSError):
                    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    def lay_down(self) -> None:
        """Write every file.  Raises ParametersInvalid, which names the path and what speaks against it."""
        for target, draft in self._drafts().items():
            with _naming(target):
                os.replace(draft, target)
            self._made.append(target)

    def lay_over(self) -> None:
        """The same beside a program that runs: a file that is there keeps its owner and rights, and is never removed.

        Raises ParametersInvalid.
        """
        drafts = self._drafts()
        for target, draft in drafts.items():
            with _naming(target):
                _take_after(draft, target)
        for target, draft in drafts.items():
            with _naming(target):
                os.replace(draft, target)

    def _drafts(self) -> Mapping[Path, Path]:
        return {target: self._draft(target, content) for target, content in self._contents.items()}

    def _draft(self, target: Path, content: bytes) -> Path:
        with _naming(target):
            _regular_file(target)
            self._make_folders(target.parent)
            descriptor, name = tempfile.mkstemp(prefix=".enclasp-", dir=target.parent)
            draft = Path(name)
            self._made.append(draft)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        return draft

    def _make_folders(self, folder: Path) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        for parent in reversed(missing):
            parent.mkdir(mode=0o700)
            self._made.append(parent)


def _target(path: str) -> Path:
    if not path or "\0" in path or path.endswith("/"):
        raise ParametersInvalid("A280", f"Files: expected the path of a file, got {path!a}")
    return Path(os.path.abspath(path))


def _regular_file(target: Path) -> os.stat_result | None:
    """What is there, which may be nothing.  Raises ParametersInvalid for anything else than a file."""
    try:
        found = target.lstat()
    except FileNotFoundError:
        return None
    mode = found.st_mode
    if not stat.S_ISREG(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "a special file"
        raise ParametersInvalid(
            "A280", f"Files: '{target}': expected a regular file or nothing there, got {kind}", "remove it before"
        )
    return found


def _take_after(draft: Path, target: Path) -> None:
    """The program may have given its file to somebody, or let others read it."""
    found = _regular_file(target)
    if found is None:
        return
    os.chmod(draft, stat.S_IMODE(found.st_mode) & 0o777)
    if (found.st_uid, found.st_gid) != (draft.stat().st_uid, draft.stat().st_gid):
        os.chown(draft, found.st_uid, found.st_gid)


@contextlib.contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Turn the system's error into one that names the file of the manifest."""
    try:
        yield
    except OSError as cause:
        raise ParametersInvalid(
            "A280", f"Files: '{target}' cannot be written: {cause.strerror}", "change the path, or the folder's rights"
        ) from cause
