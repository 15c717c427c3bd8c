"""Values as Go's fmt prints them with %v; what Go would print from its inner structure is refused."""

from collections.abc import Mapping, Sequence

from coordinator.manifest.go_float import general
from coordinator.manifest.template.values import NamedNumber, NotPrintable, Struct, Value


def show(value: Value) -> str:
    """One value as `{{ value }}` prints it.  Raises NotPrintable."""
    if value is None:
        return "<no value>"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, NamedNumber):
        return value.text
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return general(value)
    if isinstance(value, bytes):
        return "[" + " ".join(map(str, value)) + "]"
    if isinstance(value, tuple):
        return "[" + " ".join(show(element) for element in value) + "]"
    if isinstance(value, Struct):
        return value.text()
    raise NotPrintable("map")


def print_values(values: Sequence[Value], *, always_spaces: bool) -> str:
    """fmt.Sprint, or Sprintln without its newline: Sprint puts a space only between two values that are no text."""
    out: list[str] = []
    for index, value in enumerate(values):
        if index and (always_spaces or not (isinstance(value, str) or isinstance(values[index - 1], str))):
            out.append(" ")
        out.append("<nil>" if value is None else show(value))
    return "".join(out)


def go_type(value: Value) -> str:
    """The name of a value's type, for messages."""
    if value is None:
        return "a value that does not exist"
    if isinstance(value, Struct):
        return value.type_name
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float64"), (str, "string"), (bytes, "[]byte")):
        if isinstance(value, kind):
            return name
    return "map" if isinstance(value, Mapping) else "slice"
