"""docs/attestation.md says what is so: its table is worked out, and its example runs where nothing but the wheel is."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.support.attestation_table import PAGE, ROOT, page

NEEDED = ("cryptography", "cffi", "pycparser", "cbor2")
OFFLINE = """\
import socket
def refuse(*_arguments, **_options): raise AssertionError("it asked the network")
socket.socket.connect = socket.getaddrinfo = refuse
"""


def example() -> str:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return program


def test_the_table_says_what_was_verified() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.support.attestation_table"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment that holds our wheel, and of others' only what `attestation` says it needs."""
    folder = tmp_path_factory.mktemp("alone")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    if "No module named hatchling" in built.stderr:
        pytest.skip("hatchling is not installed, so no wheel can be built")
    assert 0 == built.returncode, built.stderr
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    for name in NEEDED:
        for file in distribution(name).files or ():
            source = Path(str(distribution(name).locate_file(file)))
            if ".." not in file.parts and source.suffix != ".pyc":
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, site / file)
    return python


def test_the_example_runs_with_the_wheel_alone_and_without_a_network(alone: Path, tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    command = [str(alone), "-I", "-c", OFFLINE + example()]

    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert 0 == ended.returncode, ended.stderr
    assert "passed       quote.signature: it holds" in ended.stdout
    assert "failed" not in ended.stdout


def test_the_example_needs_no_other_library_of_ours(alone: Path) -> None:
    forbidden = ("click", "aiohttp", "yaml", "msgspec", "dcap_qvl")
    program = f"import importlib.util as u; print([n for n in {forbidden!r} if u.find_spec(n)])"
    ended = subprocess.run([alone, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert "[]" == ended.stdout.strip()


def test_who_uses_it_has_its_types(alone: Path) -> None:
    """PEP 561: without the marker a type checker takes every name of a library for `Any`."""
    program = (
        "import pathlib, importlib.util as u; "
        "print([n for n in ('attestation', 'marble', 'pki') "
        "if not (pathlib.Path(u.find_spec(n).origin).parent / 'py.typed').is_file()])"
    )
    ended = subprocess.run([alone, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert "[]" == ended.stdout.strip()
