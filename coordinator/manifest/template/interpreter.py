"""Tree and context to text, as text/template executes it.  Bounded work: a template cannot run for ever."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NoReturn

from coordinator.manifest.template.errors import TemplateError
from coordinator.manifest.template.functions import LAZY, FunctionBody, FunctionError, truth
from coordinator.manifest.template.nodes import (
    Action,
    Break,
    Chain,
    Command,
    Continue,
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
    Text,
    Variable,
    With,
)
from coordinator.manifest.template.printing import go_type, show
from coordinator.manifest.template.values import CertificateValue, NoSuchField, NotPrintable, Struct, Value


def execute(nodes: Sequence[Node], context: Struct, functions: Mapping[str, FunctionBody]) -> str:
    """The text of a template.  Raises TemplateError at the place that failed; nothing partial is returned."""
    interpreter = _Interpreter(context, functions)
    interpreter.run(nodes, context)
    return "".join(interpreter.out)


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _Interpreter:
    def __init__(self, context: Struct, functions: Mapping[str, FunctionBody]) -> None:
        self.out: list[str] = []
        self._functions = functions
        self._variables: list[tuple[str, Value]] = [("$", context)]
        self._steps = 0
        self._size = 0

    # Statements

    def run(self, nodes: Sequence[Node], dot: Value) -> None:
        for node in nodes:
            match node:
                case Text(text):
                    self._emit(text, 0)
                case Action(pipe):
                    value = self._pipe(pipe, dot)
                    if not pipe.variables:
                        self._emit(self._show(value, pipe), pipe.position)
                case If(pipe, body, otherwise):
                    mark = len(self._variables)
                    self.run(body if truth(self._pipe(pipe, dot)) else otherwise, dot)
                    del self._variables[mark:]
                case With(pipe, body, otherwise):
                    mark = len(self._variables)
                    value = self._pipe(pipe, dot)
                    if truth(value):
                        self.run(body, value)
                    else:
                        self.run(otherwise, dot)
                    del self._variables[mark:]
                case Range():
                    self._range(node, dot)
                case Break():
                    raise _Break
                case Continue():
                    raise _Continue

    def _range(self, node: Range, dot: Value) -> None:
        pipe = node.pipe
        mark = len(self._variables)
        value = self._evaluate(pipe, dot)
        names = pipe.variables
        empty = True
        for key, element in self._elements(value, pipe):
            empty = False
            self._step(pipe.position)
            inner = len(self._variables)
            if names:
                self._set(names[0], key if len(names) == 2 else element, pipe)
            if len(names) == 2:
                self._set(names[1], element, pipe)
            try:
                self.run(node.body, element)
            except _Continue:
                pass
            except _Break:
                break
            finally:
                del self._variables[inner:]
        if empty:
            self.run(node.otherwise, dot)
        del self._variables[mark:]

    def _elements(self, value: Value, pipe: Pipe) -> Iterator[tuple[Value, Value]]:
        if value is None:
            return iter(())
        if isinstance(value, bytes | tuple):
            return iter(enumerate(value))
        if isinstance(value, Mapping):
            return iter(sorted(value.items()))
        if isinstance(value, int) and not isinstance(value, bool) and len(pipe.variables) < 2:
            return ((number, number) for number in range(value))
        raise TemplateError(pipe.position, f"range cannot go over {go_type(value)} here", width=pipe.width)

    def _set(self, name: str, value: Value, pipe: Pipe) -> None:
        if not pipe.assigns:
            self._variables.append((name, value))
            return
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return

    # Expressions

    def _pipe(self, pipe: Pipe, dot: Value) -> Value:
        value = self._evaluate(pipe, dot)
        for name in pipe.variables:
            self._set(name, value, pipe)
        return value

    def _evaluate(self, pipe: Pipe, dot: Value) -> Value:
        final: tuple[Value, ...] = ()
        for command in pipe.commands:
            final = (self._command(command, dot, final),)
        return final[0]

    def _command(self, command: Command, dot: Value, final: tuple[Value, ...]) -> Value:
        first, *rest = command.operands
        self._step(first.position)
        if isinstance(first, Function):
            return self._call(first, rest, dot, final)
        if rest or final:
            raise TemplateError(first.position, "cannot give arguments to a value that is no function", "", first.width)
        return self._operand(first, dot)

    def _operand(self, operand: Operand, dot: Value) -> Value:
        match operand:
            case Literal(value):
                return value
            case Dot():
                return dot
            case Field(names):
                return self._walk(dot, names)
            case Variable(variable, names):
                return self._walk(next(v for n, v in reversed(self._variables) if n == variable), names)
            case Chain(pipe, names):
                return self._walk(self._pipe(pipe, dot), names)
            case Pipe():
                return self._pipe(operand, dot)
            case Function():
                return self._call(operand, (), dot, ())

    def _walk(self, value: Value, names: Sequence[Name]) -> Value:
        for name in names:
            if isinstance(value, Mapping):
                value = value.get(name.text)
            elif isinstance(value, Struct):
                try:
                    value = value.field(name.text)
                except NoSuchField:
                    self._no_field(value, name)
            elif value is not None:
                self._no_field(value, name)
        return value

    def _no_field(self, value: Value, name: Name) -> NoReturn:
        if isinstance(value, CertificateValue) and not value.der:
            raise TemplateError(name.position, "this secret has no certificate", width=len(name.text))
        hint = "paths are case-sensitive"
        if isinstance(value, Struct):
            fields = _FIELDS.get(value.type_name, ())
            close = [f for f in fields if f.lower() == name.text.lower()] or get_close_matches(name.text, fields, 1)
            if fields:
                hint = f"did you mean {close[0]}?" if close else "it has " + ", ".join(fields)
        raise TemplateError(name.position, f'no field "{name.text}" in {go_type(value)}', hint, len(name.text))

    def _call(self, function: Function, rest: Sequence[Operand], dot: Value, final: tuple[Value, ...]) -> Value:
        name = function.name
        if name in LAZY:
            return self._and_or(function, rest, dot, final)
        arguments = [self._operand(operand, dot) for operand in rest]
        arguments += final
        try:
            return self._functions[name](arguments)
        except FunctionError as refused:
            hint = refused.hint or self._missing_hint(rest)
            place = _blame(function, rest, arguments)
            raise TemplateError(place.position, f"{name}: {refused.message}", hint, place.width) from None
        except NotPrintable as refused:
            raise TemplateError(
                function.position, f"{name}: {refused} has no text of its own", "name a field of it", function.width
            ) from None

    def _missing_hint(self, operands: Sequence[Operand]) -> str:
        context = self._variables[0][1]
        if operands and isinstance(operands[0], Field) and len(operands[0].names) > 1 and isinstance(context, Struct):
            first, second = operands[0].names[:2]
            secrets = context.field("Secrets")
            if first.text == "Secrets" and isinstance(secrets, Mapping) and second.text not in secrets:
                close = get_close_matches(second.text, sorted(secrets), 1)
                if close:
                    return f'did you mean "{close[0]}"?'
        return ""

    def _and_or(self, function: Function, rest: Sequence[Operand], dot: Value, final: tuple[Value, ...]) -> Value:
        value: Value = None
        decided = False
        for operand in rest:
            value = self._operand(operand, dot)
            if truth(value) == (function.name == "or"):
                decided = True
                break
        if not rest and not final:
            raise TemplateError(function.position, f"{function.name} needs a value", width=function.width)
        return value if decided or not final else final[0]

    # Output

    def _show(self, value: Value, pipe: Pipe) -> str:
        try:
            return show(value)
        except NotPrintable as refused:
            raise TemplateError(
                pipe.position, f"{refused} has no text of its own", "name a field of it, or use a function", pipe.width
            ) from None

    def _emit(self, text: str, position: int) -> None:
        self._size += len(text)
        if self._size > MAX_OUTPUT:
            raise TemplateError(position, f"more than {MAX_OUTPUT} characters of output")
        self.out.append(text)

    def _step(self, position: int) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TemplateError(position, f"more than {MAX_STEPS} steps")


def _blame(function: Function, rest: Sequence[Operand], arguments: Sequence[Value]) -> Operand:
    """The operand that an error is about: the only one, else the function."""
    return rest[0] if len(rest) == 1 and len(arguments) == 1 else function


MAX_OUTPUT: Final = 8 << 20
MAX_STEPS: Final = 1_000_000
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "the template's context": ("Secrets", "Previous", "MarbleRun"),
    "MarbleRun": ("RootCA", "MarbleCert", "CoordinatorRoot", "CoordinatorIntermediate"),
    "Previous": ("Secrets",),
    "a secret": ("Type", "Size", "Shared", "UserDefined", "ValidFor", "Cert", "Public", "Private"),
}
