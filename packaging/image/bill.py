"""What an image is made of, as CycloneDX 1.6 JSON: name, version, licence and package URL of every distribution."""

import importlib.metadata as metadata
import json
import platform
from collections.abc import Mapping


def bill_of_materials(name: str, digest: str, distributions: Mapping[str, metadata.Distribution]) -> bytes:
    """The document.  It names no time and no serial number, so the same image has the same one."""
    python = {"type": "application", "name": "cpython", "version": platform.python_version()}
    repository, _, tag = name.rpartition(":")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "name": repository,
                "version": tag,
                "hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}],
            }
        },
        "components": [python, *(_component(key, each) for key, each in distributions.items())],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _component(name: str, distribution: metadata.Distribution) -> dict[str, object]:
    licence = distribution.metadata.get("License-Expression") or distribution.metadata.get("License") or ""
    described: dict[str, object] = {
        "type": "library",
        "name": name,
        "version": distribution.version,
        "purl": f"pkg:pypi/{name}@{distribution.version}",
    }
    if licence and "\n" not in licence and len(licence) < 80:
        described["licenses"] = [{"license": {"name": licence}}]
    return described
