"""One image for all tests here, built from this checkout as `./dev image` does."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def build(root: Path, output: Path, umask: int = 0o022, **environ: str) -> str:
    """Build the image of a checkout in a fresh process; returns what it prints."""
    sbom = str(output.with_suffix(".json"))
    command = [sys.executable, str(root / "packaging" / "image" / "build.py"), "--output", str(output), "--sbom", sbom]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **environ}, timeout=120, umask=umask
    ).stdout


@dataclass(frozen=True)
class Image:
    """archive: the OCI archive.  printed: name and digest."""

    archive: Path
    printed: str

    @property
    def sbom(self) -> Path:
        return self.archive.with_suffix(".json")

    def blobs(self) -> Mapping[str, bytes]:
        """Every file of the archive."""
        with tarfile.open(self.archive) as archive:
            return {each.name: content(archive, each.name) for each in archive if each.isreg()}


def content(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    assert found is not None, name
    return found.read()


def place(descriptor: Mapping[str, Any]) -> str:
    """Where a blob stands in the archive."""
    return "blobs/" + str(descriptor["digest"]).replace(":", "/")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    archive = tmp_path_factory.mktemp("image") / "image.tar"
    return Image(archive, build(ROOT, archive, PYTHONHASHSEED="1"))


@pytest.fixture(scope="session")
def layer(image: Image) -> tarfile.TarFile:
    """The image's file system."""
    blobs = image.blobs()
    manifest = json.loads(blobs[place(json.loads(blobs["index.json"])["manifests"][0])])
    return tarfile.open(fileobj=io.BytesIO(blobs[place(manifest["layers"][0])]))
