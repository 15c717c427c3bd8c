"""The container image: the same bytes every time, nothing of the machine that made it, and it starts."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tarfile
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from tests.image.conftest import ROOT, Image, build, content, place

LAUNCHER = "opt/enclasp-marble"


def test_another_checkout_another_day_by_another_user_makes_the_same_bytes(image: Image, tmp_path: Path) -> None:
    """Another folder, other permissions and times of its files, another umask, time zone and seed of hashes."""
    other = tmp_path / "elsewhere"
    for part in ("attestation", "coordinator", "marble", "pki", "manifests", "packaging"):
        shutil.copytree(ROOT / part, other / part, ignore=shutil.ignore_patterns("__pycache__"))
    for number, path in enumerate(sorted(other.rglob("*"))):
        path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) else 0o600)
        os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))
    again = tmp_path / "again.tar"

    printed = build(other, again, 0o077, PYTHONHASHSEED="2", TZ="Asia/Kathmandu", LC_ALL="C", HOME=str(tmp_path))

    assert image.printed == printed
    assert image.archive.read_bytes() == again.read_bytes()
    assert image.sbom.read_bytes() == again.with_suffix(".json").read_bytes()


def test_the_image_names_no_owner_no_time_and_no_path_of_the_machine_that_made_it(layer: tarfile.TarFile) -> None:
    assert {(0, 0, 0)} == {(each.uid, each.gid, each.mtime) for each in layer.getmembers()}
    names = {each.name for each in layer.getmembers()}
    assert not [name for name in names if name.startswith(("root", "home", "work", "tmp/"))]
    here = str(ROOT).encode()
    assert not [each.name for each in layer if each.isreg() and here in content(layer, each.name)]


def test_no_cache_and_no_tool_of_who_built_it_is_in_it(layer: tarfile.TarFile) -> None:
    """Compiled modules are ours: each stands beside its source, of whose content it bears the hash, never checked."""
    names = {each.name for each in layer.getmembers()}
    foreign = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".git", "/pip/", "ensurepip", ".pth")
    assert not [name for name in names if any(part in name for part in foreign)]
    assert not [name for name in names if name.endswith((".a", ".o", ".h", ".c", ".pyo"))]
    for name in sorted(name for name in names if name.endswith(".pyc") and not name.startswith(LAUNCHER)):
        folder, _, file = name.rpartition("/__pycache__/")
        source = content(layer, f"{folder}/{file.partition('.')[0]}.py")
        header = content(layer, name)[:16]
        expected = importlib.util.MAGIC_NUMBER + b"\1\0\0\0" + importlib.util.source_hash(source)
        assert expected == header, name


def test_its_libraries_are_those_of_a_server(image: Image) -> None:
    """No window system and no terminal: nothing that a server would never call, and somebody must keep up to date."""
    names = {each["name"] for each in json.loads(image.sbom.read_text())["components"]}
    assert not [name for name in names if name.startswith(("libx", "libtk", "libtcl", "libncurses", "libreadline"))]


def test_the_archive_is_an_oci_image_layout(image: Image) -> None:
    """OCI Image Format 1.1: what each descriptor says is so, and nothing else is in it."""
    blobs = image.blobs()
    assert {"imageLayoutVersion": "1.0.0"} == json.loads(blobs["oci-layout"])
    index = json.loads(blobs["index.json"])
    manifest_descriptor = index["manifests"][0]
    manifest = json.loads(blobs[place(manifest_descriptor)])
    config = json.loads(blobs[place(manifest["config"])])
    described = [manifest_descriptor, manifest["config"], *manifest["layers"]]
    assert {"oci-layout", "index.json", *map(place, described)} == blobs.keys()
    for descriptor in described:
        blob = blobs[place(descriptor)]
        assert (f"sha256:{hashlib.sha256(blob).hexdigest()}", len(blob)) == (descriptor["digest"], descriptor["size"])
    kinds = ["image.manifest.v1+json", "image.config.v1+json", "image.layer.v1.tar"]
    assert [f"application/vnd.oci.{kind}" for kind in kinds] == [each["mediaType"] for each in described]
    assert [2, 2] == [index["schemaVersion"], manifest["schemaVersion"]]
    assert [each["digest"] for each in manifest["layers"]] == config["rootfs"]["diff_ids"]
    assert manifest_descriptor["platform"] == {"architecture": config["architecture"], "os": "linux"}
    assert f"@{manifest_descriptor['digest']}" in image.printed
    assert "65532:65532" == config["config"]["User"]


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo; on Debian 12: apt install skopeo")
def test_skopeo_reads_it_and_finds_the_digest_that_was_printed(image: Image) -> None:
    command = ["skopeo", "inspect", f"oci-archive:{image.archive}"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert image.printed.strip().rpartition("@")[2] == found["Digest"]
    assert ("linux", 1) == (found["Os"], len(found["Layers"]))


@pytest.mark.skipif(shutil.which("umoci") is None, reason="needs umoci; on Debian 12: apt install umoci")
def test_umoci_unpacks_it_to_the_files_that_are_in_it(image: Image, layer: tarfile.TarFile, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    subprocess.run(["tar", "-xf", image.archive, "-C", layout], check=True)
    command = ["umoci", "unpack", "--rootless", "--image", f"{layout}:0.1.0", str(tmp_path / "bundle")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    program = "usr/local/lib/python3.11/json/__init__.py".replace("3.11", _version(layer))
    assert content(layer, program) == (tmp_path / "bundle" / "rootfs" / program).read_bytes()


def _version(layer: tarfile.TarFile) -> str:
    return layer.getmember("usr/local/bin/python3").linkname.removeprefix("python")


def test_the_bill_of_materials_names_what_is_locked_with_what_it_needs(image: Image) -> None:
    bill = json.loads(image.sbom.read_text())
    parts = {each["bom-ref"]: each for each in bill["components"]}
    assert len(parts) == len(bill["components"])
    python = {each["name"]: each["version"] for each in parts.values() if each["purl"].startswith("pkg:pypi/")}
    locked = (ROOT / "requirements.lock").read_text()
    for name in python.keys() - {"enclasp"}:
        assert f"{name}=={python[name]}" in locked
    assert {"aiohttp", "cryptography", "enclasp"} <= python.keys()
    assert not {"pytest", "grpcio", "mypy"} & python.keys()
    needs = {each["ref"]: set(each["dependsOn"]) for each in bill["dependencies"]}
    assert parts.keys() == needs[bill["metadata"]["component"]["bom-ref"]]
    assert all(ref in parts for needed in needs.values() for ref in needed)
    assert f"pkg:pypi/cffi@{python['cffi']}" in needs[f"pkg:pypi/cryptography@{python['cryptography']}"]


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="needs Debian's package database")
def test_the_bill_of_materials_names_the_systems_packages(image: Image) -> None:
    url = next(each["purl"] for each in json.loads(image.sbom.read_text())["components"] if each["name"] == "libc6")
    asked = ["dpkg-query", "--show", "--showformat=${Version}", "libc6"]
    version = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert f"/libc6@{version.replace('+', '%2B')}?arch=" in url


def test_the_launcher_works_from_wherever_it_is_laid_and_has_no_server_in_it(
    layer: tarfile.TarFile, tmp_path: Path
) -> None:
    layer.extraction_filter = getattr(tarfile, "tar_filter", None)  # Debian 12's Python has none yet
    layer.extractall(tmp_path)
    launcher = tmp_path / "elsewhere"
    (tmp_path / LAUNCHER).rename(launcher)
    start = [f"{launcher}/loader", "--library-path", f"{launcher}/lib", f"{launcher}/bin/python3", "-I"]
    asked = subprocess.run([*start, "-m", "marble", "--help"], capture_output=True, text=True, env={}, timeout=30)
    assert (0, True) == (asked.returncode, "become COMMAND" in asked.stdout), asked.stderr
    asked = subprocess.run([*start, "-c", "import coordinator"], capture_output=True, text=True, env={}, timeout=30)
    assert "No module named 'coordinator'" in asked.stderr


def test_the_bill_of_materials_is_cyclonedx_by_its_own_schema(image: Image) -> None:
    schema = _schema("bom-1.6.SNAPSHOT.schema.json")
    registry = Registry(  # type: ignore[call-arg]  # attrs: `retrieve` has another name in the class
        retrieve=lambda uri: Resource.from_contents(_schema(uri.rpartition("/")[2]))
    )
    validator = jsonschema.Draft7Validator(schema, registry=registry)
    bill = json.loads(image.sbom.read_text())
    assert [] == [error.message for error in validator.iter_errors(bill)]
    bill["components"][0]["type"] = "something"
    assert 1 == len(list(validator.iter_errors(bill)))


def _schema(name: str) -> Any:
    """As CycloneDX's own Python library ships it."""
    return json.loads((resources.files("cyclonedx.schema") / "_res" / name).read_text())
