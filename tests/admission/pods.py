"""Pods for the tests, and RFC 6902 as the API server applies it."""

import copy
from typing import Any

from coordinator.admission.settings import Injection

SETTINGS = Injection(
    coordinator="coordinator-mesh-api.enclasp:2001",
    runtime_classes={"tdx": "kata-qemu-tdx"},
    launcher_image="localhost/enclasp:0.1.0",
)


def pod(labels: dict[str, str], *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A pod; without containers it has one, `main`."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "web-", "labels": labels},
        "spec": {"containers": list(containers) or [{"name": "main", "image": "web:1"}], **spec},
    }


def applied(document: dict[str, Any], operations: Any) -> dict[str, Any]:
    """The document after a patch; fails on anything that the API server would refuse."""
    changed = copy.deepcopy(document)
    for operation in operations:
        *way, last = (
            step.replace("~1", "/").replace("~0", "~") for step in operation["path"].removeprefix("/").split("/")
        )
        place: Any = changed
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        value = copy.deepcopy(operation["value"])
        if isinstance(place, list):
            assert operation["op"] == "add"
            place.insert(len(place) if last == "-" else int(last), value)
        else:
            assert (last in place) == (operation["op"] == "replace"), operation
            place[last] = value
    return changed


def variables(container: dict[str, Any]) -> dict[str, str]:
    """name -> value of a container's literal variables."""
    return {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
