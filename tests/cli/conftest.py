"""Run the command line in this process, as `enclasp ARGUMENTS` would."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coordinator.cli.main import run
from tests.fakes.front_door import FrontDoor
from tests.fakes.rest_server import rest_server


@dataclass(frozen=True)
class Ended:
    """code: the exit code.  out: stdout, exact.  err: stderr."""

    code: int
    out: bytes
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out.decode()


Enclasp = Callable[..., Ended]


@pytest.fixture
def enclasp(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Enclasp:
    for name in ("ENCLASP_COORDINATOR", "MARBLERUN", "ENCLASP_OUTPUT", "ENCLASP_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str | Path) -> Ended:
        capsysbinary.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsysbinary.readouterr()
        return Ended(code, captured.out, captured.err.decode())

    return call


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that the manifests of these tests admit."""
    path = tmp_path / "program.py"
    path.write_text("print('the agreed program')\n")
    return path


@dataclass(frozen=True)
class Door:
    """A coordinator's front door on a port, and the files that verify it."""

    behind: FrontDoor
    endpoint: str
    folder: Path

    @property
    def flags(self) -> tuple[str, ...]:
        reference, trust, collateral = (str(self.folder / name) for name in _FILES)
        return ("--reference", reference, "--trust", trust, "--collateral", collateral, "--at", "2026-06-01T12:00:00Z")


_FILES = ("reference.yaml", "trust.pem", "collateral.json")


def write_files(door: FrontDoor, folder: Path) -> None:
    (folder / "reference.yaml").write_text(f"TDX:\n  MRTD: '{'07' * 48}'\n")
    (folder / "trust.pem").write_bytes(door.vendor.trust_pem)
    (folder / "collateral.json").write_bytes(door.vendor.bundle())


@pytest.fixture
def open_door(tmp_path: Path) -> Iterator[Callable[[FrontDoor], Door]]:
    """Open a front door for the test."""
    from contextlib import ExitStack

    with ExitStack() as opened:

        def open_it(door: FrontDoor) -> Door:
            endpoint, _ = opened.enter_context(rest_server((door.pki.root,), door.root_key, door.answer))
            write_files(door, tmp_path)
            return Door(door, str(endpoint), tmp_path)

        yield open_it
