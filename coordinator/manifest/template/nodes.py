"""The tree of a parsed template.  Positions are offsets into the template's text, in characters."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: string, whole number, floating-point number or boolean."""

    value: str | int | float | bool
    position: int
    width: int


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`: the value that is being looked at."""

    position: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Name:
    """A step `.Name` of a path."""

    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Field:
    """`.A.B`: a path from dot."""

    names: tuple[Name, ...]
    position: int
    width: int


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x.A`: a path from a variable; `$` alone is the whole context."""

    variable: str
    names: tuple[Name, ...]
    position: int
    width: int


@dataclass(frozen=True, slots=True)
class Function:
    """A function's name."""

    name: str
    position: int
    width: int


@dataclass(frozen=True, slots=True)
class Chain:
    """`( … ).A`: a path from what parentheses give."""

    pipe: "Pipe"
    names: tuple[Name, ...]
    position: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Command:
    """A value, or a function with its arguments."""

    operands: tuple["Operand", ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each of which gets the value before it as its last argument.  variables: `$x :=` or `$x =`."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...]
    assigns: bool
    position: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Nothing:
    """`nil`, which only stands as an argument."""

    position: int
    width: int = 3


Operand: TypeAlias = Literal | Nothing | Dot | Field | Variable | Function | Chain | Pipe


@dataclass(frozen=True, slots=True)
class Text:
    """Text that is copied."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """`{{ pipeline }}`."""

    pipe: Pipe


@dataclass(frozen=True, slots=True)
class If:
    """`{{ if }} … {{ else }} … {{ end }}`."""

    pipe: Pipe
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class With:
    """`{{ with }} … {{ else }} … {{ end }}`: dot becomes the value."""

    pipe: Pipe
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Range:
    """`{{ range }} … {{ else }} … {{ end }}`: dot becomes each element."""

    pipe: Pipe
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Break:
    """Leave the innermost range."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on with the next element of the innermost range."""


@dataclass(frozen=True, slots=True)
class Define:
    """`{{ define "name" }} … {{ end }}`; only at the top of a template, where it leaves no text."""

    name: str
    body: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """`{{ template "name" pipeline }}`; without a pipeline dot is nil."""

    name: str
    pipe: Pipe | None
    position: int
    width: int


Node: TypeAlias = Text | Action | If | With | Range | Break | Continue | Define | Call
