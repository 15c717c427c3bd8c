"""Tree and context to text, as text/template executes it.  Bounded work: a template cannot run for ever."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NoReturn

from coordinator.manifest.template.errors import FunctionError, TemplateError
from coordinator.manifest.template.functions import LAZY, FunctionBody, truth
from coordinator.manifest.template.nodes import (
    Action,
    Break,
    Call,
    Chain,
    Command,
    Continue,
    Define,
    Dot,
    Field,
    Function,
    If,
    Literal,
    Name,
    Node,
    Nothing,
    Operand,
    Pipe,
    Range,
    Text,
    Variable,
    With,
)
from coordinator.manifest.template.printing import go_type, show
from coordinator.manifest.template.values import (
    Byte,
    CertificateValue,
    Method,
    NamedNumber,
    NoSuchField,
    NotPrintable,
    Struct,
    Value,
)


def execute(nodes: Sequence[Node], context: Struct, functions: Mapping[str, FunctionBody]) -> str:
    """The text of a template.  Raises TemplateError at the place that failed; nothing partial is returned."""
    interpreter = _Interpreter(nodes, context, functions)
    interpreter.run(nodes, context)
    return "".join(interpreter.out)


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _Interpreter:
    def __init__(self, nodes: Sequence[Node], context: Struct, functions: Mapping[str, FunctionBody]) -> None:
        self.out: list[str] = []
        self._templates = {node.name: node.body for node in nodes if isinstance(node, Define)}
        self._context = context
        self._depth = 0
        self._functions = functions
        self._variables: list[tuple[str, Value]] = [("$", context)]
        self._steps = 0
        self._size = 0

    # Statements

    def run(self, nodes: Sequence[Node], dot: Value) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TemplateError(0, f"more than {MAX_DEPTH} levels of actions and templates")
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
                case Call():
                    self._template(node, dot)
        self._depth -= 1

    def _template(self, node: Call, dot: Value) -> None:
        """A template by its name, with variables of its own."""
        self._step(node.position)
        body = self._templates.get(node.name)
        if body is None:
            known = ", ".join(self._templates) or "none"
            message = f'template "{node.name}" is not defined'
            raise TemplateError(node.position, message, f"defined templates: {known}", node.width)
        value = None if node.pipe is None else self._pipe(node.pipe, dot)
        variables, self._variables = self._variables, [("$", value)]
        self.run(body, value)
        self._variables = variables

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
            depth = self._depth
            try:
                self.run(node.body, element)
            except _Continue:
                pass
            except _Break:
                break
            finally:
                self._depth = depth
                del self._variables[inner:]
        if empty:
            self.run(node.otherwise, dot)
        del self._variables[mark:]

    def _elements(self, value: Value, pipe: Pipe) -> Iterator[tuple[Value, Value]]:
        if value is None:
            return iter(())
        if isinstance(value, bytes | tuple):
            elements = map(Byte, value) if isinstance(value, bytes) else value
            return iter(enumerate(elements))
        if isinstance(value, Mapping):
            return iter(sorted(value.items()))
        if isinstance(value, int) and not isinstance(value, bool | NamedNumber) and len(pipe.variables) < 2:
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
        method = self._method(first, dot) if rest or final else None
        if method is not None:
            arguments = [self._operand(operand, dot) for operand in rest]
            try:
                return method((*arguments, *final))
            except FunctionError as refused:
                raise TemplateError(first.position, refused.message, refused.hint, first.width) from None
        if rest or final:
            raise TemplateError(first.position, "cannot give arguments to a value that is no function", "", first.width)
        return self._operand(first, dot)

    def _method(self, operand: Operand, dot: Value) -> "Method | None":
        """The method that a path ends with, if it is one that takes arguments."""
        if not isinstance(operand, Field | Variable | Chain) or not operand.names:
            return None
        *path, last = operand.names
        match operand:
            case Field():
                owner = self._walk(dot, path)
            case Variable(variable):
                owner = self._walk(self._variable(variable), path)
            case Chain(pipe):
                owner = self._walk(self._pipe(pipe, dot), path)
        return owner.method(last.text) if isinstance(owner, Struct) else None

    def _variable(self, name: str) -> Value:
        return next(value for known, value in reversed(self._variables) if known == name)

    def _operand(self, operand: Operand, dot: Value) -> Value:
        match operand:
            case Literal(value):
                return value
            case Nothing():
                return None
            case Dot():
                return dot
            case Field(names):
                return self._walk(dot, names)
            case Variable(variable, names):
                return self._walk(self._variable(variable), names)
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
        self._weigh(arguments, function.position)
        try:
            result = self._functions[name](arguments)
            self._weigh((result,), function.position)
            return result
        except FunctionError as refused:
            hint = refused.hint or self._missing_hint(rest)
            place = _blame(function, rest, arguments)
            raise TemplateError(place.position, f"{name}: {refused.message}", hint, place.width) from None
        except NotPrintable as refused:
            raise TemplateError(
                function.position, f"{name}: {refused} has no text of its own", "name a field of it", function.width
            ) from None

    def _missing_hint(self, operands: Sequence[Operand]) -> str:
        if operands and isinstance(operands[0], Field) and len(operands[0].names) > 1:
            first, second = operands[0].names[:2]
            secrets = self._context.field("Secrets")
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

    def _weigh(self, values: Sequence[Value], position: int) -> None:
        """Long values cost more: neither memory nor time grows by doubling a text again and again."""
        size = sum(len(value) for value in values if isinstance(value, str | bytes))
        if size > MAX_OUTPUT:
            raise TemplateError(position, f"more than {MAX_OUTPUT} characters in one value")
        self._step(position, size // _CHARACTERS_A_STEP)

    def _step(self, position: int, count: int = 1) -> None:
        self._steps += count
        if self._steps > MAX_STEPS:
            raise TemplateError(position, f"more than {MAX_STEPS} steps")


def _blame(function: Function, rest: Sequence[Operand], arguments: Sequence[Value]) -> Operand:
    """The operand that an error is about: the only one, else the function."""
    return rest[0] if len(rest) == 1 and len(arguments) == 1 else function


MAX_OUTPUT: Final = 8 << 20
MAX_STEPS: Final = 1_000_000
_CHARACTERS_A_STEP: Final = 64
# Python's own stack bears about three times as many.
MAX_DEPTH: Final = 150
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "the template's context": ("Secrets", "Previous", "MarbleRun"),
    "MarbleRun": ("RootCA", "MarbleCert", "CoordinatorRoot", "CoordinatorIntermediate"),
    "Previous": ("Secrets",),
    "a secret": ("Type", "Size", "Shared", "UserDefined", "ValidFor", "Cert", "Public", "Private"),
}
