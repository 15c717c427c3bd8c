"""Which secrets a template uses, read off its tree, so that a marble costs only what it uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from coordinator.manifest.template.nodes import (
    Action,
    Call,
    Chain,
    Define,
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
    return _Search(nodes).of_nodes(nodes, _Scope(dot_is_root=True, dollar_is_root=True))


@dataclass(frozen=True, slots=True)
class _Scope:
    """What `.` and `$` stand for at a place: the whole context, or something in it."""

    dot_is_root: bool
    dollar_is_root: bool


class _Search:
    def __init__(self, nodes: Sequence[Node]) -> None:
        self._templates = {node.name: node.body for node in nodes if isinstance(node, Define)}
        self._seen: set[tuple[str, bool]] = set()

    def of_nodes(self, nodes: Sequence[Node], scope: _Scope) -> Iterator[tuple[str, int]]:
        inner = replace(scope, dot_is_root=False)
        for node in nodes:
            match node:
                case Action(pipe):
                    yield from self._pipe(pipe, scope)
                case If(pipe, body, otherwise):
                    yield from self._pipe(pipe, scope)
                    yield from self.of_nodes(body, scope)
                    yield from self.of_nodes(otherwise, scope)
                case With(pipe, body, otherwise) | Range(pipe, body, otherwise):
                    yield from self._pipe(pipe, scope)
                    yield from self.of_nodes(body, inner)
                    yield from self.of_nodes(otherwise, scope)
                case Call():
                    yield from self._call(node, scope)
                case _:
                    pass

    def _call(self, call: Call, scope: _Scope) -> Iterator[tuple[str, int]]:
        """A template's uses, by what it is given; each is looked at once, however it calls itself."""
        given_root = call.pipe is not None and _is_root(call.pipe, scope)
        if call.pipe is not None and not given_root:
            yield from self._pipe(call.pipe, scope)
        if (call.name, given_root) not in self._seen:
            self._seen.add((call.name, given_root))
            yield from self.of_nodes(self._templates.get(call.name, ()), _Scope(given_root, given_root))

    def _pipe(self, pipe: Pipe, scope: _Scope) -> Iterator[tuple[str, int]]:
        for command in pipe.commands:
            operands = command.operands
            if len(operands) > 2 and isinstance(operands[0], Function) and operands[0].name == "index":
                secrets, key = operands[1:3]
                if isinstance(key, Literal) and isinstance(key.value, str) and _is_secrets(secrets, scope):
                    yield key.value, key.position
                    operands = operands[3:]
            for operand in operands:
                yield from self._operand(operand, scope)

    def _operand(self, operand: Operand, scope: _Scope) -> Iterator[tuple[str, int]]:
        match operand:
            case Dot(position) if scope.dot_is_root:
                yield from ((name, position) for name in ALL_SECRETS)
            case Field(names, position) if scope.dot_is_root:
                yield from _path(names, position)
            case Variable("$", names, position) if scope.dollar_is_root:
                yield from _path(names, position)
            case Chain(pipe):
                yield from self._pipe(pipe, scope)
            case Pipe():
                yield from self._pipe(operand, scope)
            case _:
                pass


def _is_root(pipe: Pipe, scope: _Scope) -> bool:
    """Whether a pipeline is `.` or `$` alone, and that is the whole context."""
    if len(pipe.commands) != 1 or len(pipe.commands[0].operands) != 1:
        return False
    match pipe.commands[0].operands[0]:
        case Dot():
            return scope.dot_is_root
        case Variable("$", ()):
            return scope.dollar_is_root
    return False


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


def _is_secrets(operand: Operand, scope: _Scope) -> bool:
    if isinstance(operand, Variable) and (operand.variable != "$" or not scope.dollar_is_root):
        return False
    if isinstance(operand, Field) and not scope.dot_is_root:
        return False
    if not isinstance(operand, Field | Variable):
        return False
    texts = tuple(name.text for name in operand.names)
    return texts in (("Secrets",), ("Previous", "Secrets"))
