"""What an image is made of, as CycloneDX 1.6 JSON: name, version, licence and package URL of every part.

Parts are the interpreter, each Python distribution with what it depends on, and the Debian packages whose shared
libraries are in the image, where this machine has Debian's package database.
"""

import importlib.metadata as metadata
import json
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def bill_of_materials(
    name: str, digest: str, distributions: Mapping[str, metadata.Distribution], libraries: Iterable[Path]
) -> bytes:
    """The document.  It names no time and no serial number, so the same image has the same one.

    libraries: files of this machine that went into the image as shared libraries.
    """
    python = {
        "type": "application",
        "bom-ref": f"pkg:generic/cpython@{platform.python_version()}",
        "name": "cpython",
        "version": platform.python_version(),
        "purl": f"pkg:generic/cpython@{platform.python_version()}",
        "licenses": [{"license": {"id": "PSF-2.0"}}],
    }
    parts = [python] if distributions else []
    parts += [_component(key, each) for key, each in distributions.items()]
    parts += _debian_packages(libraries)
    repository, _, tag = name.rpartition(":")
    image = {
        "type": "container",
        "bom-ref": f"{name}@{digest}",
        "name": repository,
        "version": tag,
        "hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}],
    }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": image},
        "components": parts,
        "dependencies": [
            {"ref": image["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]},
            *(
                {"ref": _ref(key, each), "dependsOn": _needs(each, distributions)}
                for key, each in distributions.items()
            ),
        ],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _ref(name: str, distribution: metadata.Distribution) -> str:
    return f"pkg:pypi/{name}@{distribution.version}"


def _component(name: str, distribution: metadata.Distribution) -> dict[str, object]:
    described: dict[str, object] = {
        "type": "library",
        "bom-ref": _ref(name, distribution),
        "name": name,
        "version": distribution.version,
        "purl": _ref(name, distribution),
    }
    expression = distribution.metadata.get("License-Expression")
    licence = distribution.metadata.get("License") or ""
    if expression:
        described["licenses"] = [{"expression": expression}]
    elif licence and "\n" not in licence and len(licence) < 80:
        described["licenses"] = [{"license": {"name": licence}}]
    return described


def _needs(distribution: metadata.Distribution, distributions: Mapping[str, metadata.Distribution]) -> list[str]:
    """Which of the image's distributions it names, with whatever extra or marker."""
    named = {canonicalize_name(Requirement(text).name) for text in distribution.requires or ()}
    return [_ref(name, distributions[name]) for name in sorted(named & distributions.keys())]


def _debian_packages(libraries: Iterable[Path]) -> list[dict[str, object]]:
    """Those that own these files; none where there is no dpkg, or it does not know the files."""
    # Of a merged /usr, dpkg knows a file by either name.
    names = sorted({name for path in libraries for name in (str(path), str(path.resolve()), f"/usr{path}")})
    try:
        owners = subprocess.run(["dpkg-query", "--search", *names], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return []
    packages = sorted({found[1] for line in owners.splitlines() if (found := re.match(r"([a-z0-9.+:-]+): /", line))})
    if not packages:
        return []
    form = "${Package} ${Version} ${Architecture}\n"
    listed = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={form}", *packages], capture_output=True, text=True, check=True
    ).stdout
    return [_debian_component(*line.split()) for line in sorted(set(listed.splitlines()))]


def _debian_component(name: str, version: str, architecture: str) -> dict[str, object]:
    vendor = platform.freedesktop_os_release()["ID"]
    url = f"pkg:deb/{vendor}/{name}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={architecture}"
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}
