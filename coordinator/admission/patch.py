"""A JSON patch (RFC 6902) that grows while the pod that it describes is changed with it.

Only what is added is named, so whatever else stands in the pod stays there, known to us or not.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

Operation: TypeAlias = dict[str, Any]
Object: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Patch:
    """document: changed in place, so that a later step sees what an earlier one added."""

    document: Object
    operations: list[Operation] = field(default_factory=list)

    def set(self, path: tuple[str | int, ...], key: str, value: Any) -> None:
        """Set a member of the object at `path`, there or not."""
        holder = self._at(path)
        self._add("replace" if key in holder else "add", (*path, key), value)
        holder[key] = value

    def append(self, path: tuple[str | int, ...], key: str, value: Any) -> None:
        """Add to the list `key` of the object at `path`; a list that is absent or null is made."""
        holder = self._at(path)
        if holder.get(key) is None:
            self.set(path, key, [value])
        else:
            self._add("add", (*path, key, "-"), value)
            holder[key].append(value)

    def prepend(self, path: tuple[str | int, ...], key: str, value: Any) -> None:
        """The same, in front of the others."""
        holder = self._at(path)
        if holder.get(key) is None:
            self.set(path, key, [value])
        else:
            self._add("add", (*path, key, 0), value)
            holder[key].insert(0, value)

    def ensure(self, path: tuple[str | int, ...], key: str) -> None:
        """See to it that the object at `path` has an object `key`."""
        if self._at(path).get(key) is None:
            self.set(path, key, {})

    def _at(self, path: tuple[str | int, ...]) -> Any:
        place: Any = self.document
        for step in path:
            place = place[step]
        return place

    def _add(self, verb: str, path: tuple[str | int, ...], value: Any) -> None:
        pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)
        self.operations.append({"op": verb, "path": pointer, "value": _copy(value)})


def _copy(value: Any) -> Any:
    """A value that later changes of the document do not reach."""
    if isinstance(value, dict):
        return {key: _copy(member) for key, member in value.items()}
    return [_copy(member) for member in value] if isinstance(value, list) else value
