"""A pod as the API server sends it: raw JSON whose few places that injection touches have the right shape.

The API server has defaulted and checked it against its own schema already; this is about our not stumbling.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]


@dataclass(eq=False)
class Refusal(Exception):
    """The pod does not come in.  code: of the table.  message: what was expected and what was found."""

    code: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Place:
    """One container: `spec.<section>[index]`."""

    section: str
    index: int
    container: Object

    @property
    def path(self) -> tuple[str | int, ...]:
        """Where it stands in the pod."""
        return ("spec", self.section, self.index)

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.container["name"])


def check_pod(pod: Any) -> Object:
    """The pod, if every place that injection reads has its shape.  Raises Refusal."""
    _expect(isinstance(pod, dict), "an object", pod)
    metadata, spec = pod.get("metadata"), pod.get("spec")
    _expect(isinstance(metadata, dict) and isinstance(spec, dict), "metadata and spec", pod)
    for key in ("labels", "annotations"):
        texts = metadata.get(key)
        _expect(texts is None or isinstance(texts, dict), f"{key} as an object", texts)
        _expect(all(isinstance(value, str) for value in (texts or {}).values()), f"{key} as text", texts)
    _expect(isinstance(spec.get("containers"), list) and bool(spec["containers"]), "containers", spec)
    for section in ("containers", "initContainers"):
        for container in _objects(spec, section):
            _expect(isinstance(container.get("name"), str), "a container with a name", container)
            for key in ("env", "volumeMounts"):
                _objects(container, key)
            _resources(container.get("resources"))
            _expect(isinstance(container.get("command") or [], list), "command as a list", container.get("command"))
    for key in ("volumes", "tolerations"):
        _objects(spec, key)
    checked: Object = pod
    return checked


def places(pod: Object) -> Iterator[Place]:
    """Every container, those that start first included."""
    for section in ("initContainers", "containers"):
        for index, container in enumerate(pod["spec"].get(section) or []):
            yield Place(section, index, container)


def name_of(pod: Object) -> str:
    """What to call a pod; one that a controller makes has no name yet."""
    metadata = pod["metadata"]
    return str(metadata.get("name") or f"{metadata.get('generateName', '')}*")


def _objects(holder: Object, key: str) -> list[Object]:
    found = holder.get(key) or []
    _expect(isinstance(found, list) and all(isinstance(each, dict) for each in found), f"{key}: a list", found)
    objects: list[Object] = found
    return objects


def _resources(resources: Any) -> None:
    _expect(resources is None or isinstance(resources, dict), "resources as an object", resources)
    for key in ("limits", "requests"):
        part = (resources or {}).get(key)
        _expect(part is None or isinstance(part, dict), f"resources.{key} as an object", part)


def _expect(fits: bool, expected: str, found: Any) -> None:
    if not fits:
        raise Refusal("K608", f"pod: expected {expected}, got {type(found).__name__}")
