"""Which secrets a template uses, read off its tree, so that a marble costs only what it uses."""

from collections.abc import Iterator, Sequence
from typing import Final

from coordinator.manifest.template.nodes import (
    Action,
    Chain,
    Dot,
    Field,
    Function,
    If,
    Literal,
    Name,
    Node,
    Operand,
    Pipe,
    Range,
    Variable,
    With,
)

# A lone surrogate, which no document can hold: never a secret's own name.
ALL_SECRETS: Final = frozenset({"\ud800"})


def used_secrets(nodes: Sequence[Node]) -> frozenset[str]:
    """Names after `.Secrets` and `.Previous.Secrets`; ALL_SECRETS where the tree alone does not tell."""
    names = frozenset(name for name, _ in references(nodes))
    return ALL_SECRETS if names & ALL_SECRETS else names


def references(nodes: Sequence[Node]) -> Iterator[tuple[str, int]]:
    """Every secret's name with its position; ALL_SECRETS' member for a use that may be any."""
    return _nodes(nodes, dot_is_root=True)


def _nodes(nodes: Sequence[Node], dot_is_root: bool) -> Iterator[tuple[str, int]]:
    for node in nodes:
        match node:
            case Action(pipe):
                yield from _pipe(pipe, dot_is_root)
            case If(pipe, body, otherwise):
                yield from _pipe(pipe, dot_is_root)
                yield from _nodes(body, dot_is_root)
                yield from _nodes(otherwise, dot_is_root)
            case With(pipe, body, otherwise) | Range(pipe, body, otherwise):
                yield from _pipe(pipe, dot_is_root)
                yield from _nodes(body, False)
                yield from _nodes(otherwise, dot_is_root)
            case _:
                pass


def _pipe(pipe: Pipe, dot_is_root: bool) -> Iterator[tuple[str, int]]:
    for command in pipe.commands:
        operands = command.operands
        if len(operands) > 2 and isinstance(operands[0], Function) and operands[0].name == "index":
            secrets, key = operands[1:3]
            if isinstance(key, Literal) and isinstance(key.value, str) and _is_secrets(secrets, dot_is_root):
                yield key.value, key.position
                operands = operands[3:]
        for operand in operands:
            yield from _operand(operand, dot_is_root)


def _operand(operand: Operand, dot_is_root: bool) -> Iterator[tuple[str, int]]:
    match operand:
        case Dot(position) if dot_is_root:
            yield from ((name, position) for name in ALL_SECRETS)
        case Field(names, position) if dot_is_root:
            yield from _path(names, position)
        case Variable("$", names, position):
            yield from _path(names, position)
        case Chain(pipe):
            yield from _pipe(pipe, dot_is_root)
        case Pipe():
            yield from _pipe(operand, dot_is_root)
        case _:
            pass


def _path(names: tuple[Name, ...], position: int) -> Iterator[tuple[str, int]]:
    """A path from the context: `.Secrets.name…`, `.Previous.Secrets.name…`, or something that needs no secret."""
    if names and names[0].text == "Previous":
        names = names[1:]
    elif names and names[0].text != "Secrets":
        return
    if len(names) > 1 and names[0].text == "Secrets":
        yield names[1].text, names[1].position
    else:
        yield from ((name, position) for name in ALL_SECRETS)


def _is_secrets(operand: Operand, dot_is_root: bool) -> bool:
    if isinstance(operand, Variable) and operand.variable != "$":
        return False
    if isinstance(operand, Field) and not dot_is_root:
        return False
    if not isinstance(operand, Field | Variable):
        return False
    texts = tuple(name.text for name in operand.names)
    return texts in (("Secrets",), ("Previous", "Secrets"))
