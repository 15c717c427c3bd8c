"""The container image: the same bytes every time, nothing of the machine that made it, and it starts."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "packaging" / "image" / "build.py"
LAUNCHER = "opt/enclasp-marble"


def build(output: Path, seed: str) -> str:
    """Build the image in a fresh process; returns what it prints."""
    command = [sys.executable, str(BUILD), "--output", str(output), "--sbom", str(output.with_suffix(".json"))]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}, timeout=120
    ).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    (folder / "name").write_text(build(folder / "image.tar", "1"))
    return folder / "image.tar"


@pytest.fixture(scope="module")
def layer(built: Path) -> tarfile.TarFile:
    with tarfile.open(built) as archive:
        index = json.load(member(archive, "index.json"))
        manifest = json.load(blob(archive, index["manifests"][0]["digest"]))
        return tarfile.open(fileobj=io.BytesIO(blob(archive, manifest["layers"][0]["digest"]).read()))


def member(archive: tarfile.TarFile, name: str) -> io.BufferedIOBase:
    found = archive.extractfile(name)
    assert found is not None
    return found


def blob(archive: tarfile.TarFile, digest: str) -> io.BufferedIOBase:
    return member(archive, f"blobs/sha256/{digest.removeprefix('sha256:')}")


def test_two_builds_are_the_same_byte_for_byte(built: Path, tmp_path: Path) -> None:
    assert (built.parent / "name").read_text() == build(tmp_path / "again.tar", "2")
    assert built.read_bytes() == (tmp_path / "again.tar").read_bytes()
    assert built.with_suffix(".json").read_bytes() == (tmp_path / "again.json").read_bytes()


def test_the_image_names_no_owner_no_time_and_no_path_of_the_machine_that_made_it(layer: tarfile.TarFile) -> None:
    assert {(0, 0, 0)} == {(each.uid, each.gid, each.mtime) for each in layer.getmembers()}
    names = {each.name for each in layer.getmembers()}
    assert not [name for name in names if name.startswith(("root", "home", "work", "tmp/"))]
    here = str(ROOT).encode()
    assert not [each.name for each in layer if each.isreg() and here in member(layer, each.name).read()]


def test_its_user_is_not_root_and_its_bill_of_materials_names_what_is_locked(built: Path) -> None:
    with tarfile.open(built) as archive:
        index = json.load(member(archive, "index.json"))
        manifest = json.load(blob(archive, index["manifests"][0]["digest"]))
        config = json.load(blob(archive, manifest["config"]["digest"]))["config"]
    assert "65532:65532" == config["User"]
    listed = {
        each["name"]: each["version"] for each in json.loads(built.with_suffix(".json").read_text())["components"]
    }
    locked = (ROOT / "requirements.lock").read_text()
    for name in listed.keys() - {"cpython", "enclasp"}:
        assert f"{name}=={listed[name]}" in locked
    assert {"aiohttp", "cryptography", "enclasp"} <= listed.keys()
    assert not {"pytest", "grpcio", "mypy"} & listed.keys()


def test_the_launcher_works_from_wherever_it_is_laid_and_has_no_server_in_it(
    layer: tarfile.TarFile, tmp_path: Path
) -> None:
    layer.extractall(tmp_path, filter="tar")
    launcher = tmp_path / "elsewhere"
    (tmp_path / LAUNCHER).rename(launcher)
    start = [f"{launcher}/loader", "--library-path", f"{launcher}/lib", f"{launcher}/bin/python3", "-I"]
    asked = subprocess.run([*start, "-m", "marble", "--help"], capture_output=True, text=True, env={}, timeout=30)
    assert (0, True) == (asked.returncode, "become COMMAND" in asked.stdout), asked.stderr
    asked = subprocess.run([*start, "-c", "import coordinator"], capture_output=True, text=True, env={}, timeout=30)
    assert "No module named 'coordinator'" in asked.stderr
