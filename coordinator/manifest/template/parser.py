"""Tokens to tree, by the grammar of Go's text/template."""

from collections.abc import Set
from difflib import get_close_matches
from typing import Final

from coordinator.manifest.template.errors import TemplateError
from coordinator.manifest.template.lexer import Lexeme, Token, lex
from coordinator.manifest.template.literals import constant
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


def parse(source: str, functions: Set[str]) -> tuple[Node, ...]:
    """The tree of a template that may call `functions`.  Raises TemplateError at the first mistake."""
    return _Parser(source, functions).whole()


class _Parser:
    def __init__(self, source: str, functions: Set[str]) -> None:
        self._lexemes = lex(source)
        self._ahead: list[Lexeme] = []
        self._functions = functions
        self._variables = ["$"]
        self._ranges = 0
        self._depth = 0
        self._defined: dict[str, Define] = {}

    def whole(self) -> tuple[Node, ...]:
        body, end = self._body()
        if end is not None:
            raise TemplateError(end.position, f"unexpected {{{{{end.text}}}}}", "nothing is open here", len(end.text))
        return (*body, *self._defined.values())

    # Statements

    def _body(self) -> tuple[tuple[Node, ...], Lexeme | None]:
        """Nodes up to `{{ end }}`, `{{ else … }}` (whose word is returned, not its rest) or the end of the text."""
        nodes: list[Node] = []
        while True:
            lexeme = self._next()
            if lexeme.token is Token.END:
                return tuple(nodes), None
            if lexeme.token is Token.TEXT:
                nodes.append(Text(lexeme.text))
                continue
            word = self._peek_past_space()
            if word.token is Token.NAME and word.text in ("end", "else"):
                return tuple(nodes), self._next_past_space()
            if word.token is Token.NAME and word.text == "define":
                self._define(self._next_past_space())
            else:
                nodes.append(self._statement(word))

    def _statement(self, word: Lexeme) -> Node:
        if word.token is Token.NAME and word.text in _CONTROLS:
            self._next_past_space()
            return self._control(word)
        if word.token is Token.NAME and word.text in ("break", "continue"):
            self._next_past_space()
            if not self._ranges:
                raise TemplateError(word.position, f"{word.text} outside of range", width=len(word.text))
            self._expect_close(word.text)
            return Break() if word.text == "break" else Continue()
        if word.token is Token.NAME and word.text == "template":
            self._next_past_space()
            name = self._name(word)
            if self._peek_past_space().token is Token.CLOSE:
                self._next_past_space()
                return Call(name, None, word.position, len(word.text))
            return Call(name, self._pipeline("template clause", Token.CLOSE), word.position, len(word.text))
        if word.token is Token.NAME and word.text == "block":
            self._next_past_space()
            name = self._name(word)
            pipe = self._pipeline("block clause", Token.CLOSE)
            self._add(name, self._own_body(word), word)
            return Call(name, pipe, word.position, len(word.text))
        return Action(self._pipeline("command", Token.CLOSE))

    def _define(self, word: Lexeme) -> None:
        if self._depth:
            raise TemplateError(word.position, "define inside of another action", "write it at the top", len(word.text))
        name = self._name(word)
        self._expect_close("define clause")
        self._add(name, self._own_body(word), word)

    def _own_body(self, word: Lexeme) -> tuple[Node, ...]:
        """The body of a template that is defined here: it has no variables but `$`, and is inside of no range."""
        self._deeper(word)
        outside = self._variables, self._ranges
        self._variables, self._ranges = ["$"], 0
        body, end = self._body()
        self._expect_end(word, end)
        self._variables, self._ranges = outside
        self._depth -= 1
        return body

    def _add(self, name: str, body: tuple[Node, ...], word: Lexeme) -> None:
        """Of several templates with a name, one may say something."""
        earlier = self._defined.get(name)
        if earlier is None or _is_blank(earlier.body):
            self._defined[name] = Define(name, body)
        elif not _is_blank(body):
            raise TemplateError(word.position, f'template "{name}" is defined twice', "rename one", len(word.text))

    def _name(self, word: Lexeme) -> str:
        lexeme = self._next_past_space()
        if lexeme.token not in (Token.STRING, Token.RAW_STRING):
            raise TemplateError(
                lexeme.position, f"{word.text} needs a name in quotes", 'such as "part"', len(lexeme.text)
            )
        return str(constant(lexeme))

    def _control(self, word: Lexeme) -> If | With | Range:
        self._deeper(word)
        mark = len(self._variables)
        pipe = self._pipeline(word.text, Token.CLOSE)
        self._ranges += word.text == "range"
        body, end = self._body()
        self._ranges -= word.text == "range"
        otherwise: tuple[Node, ...] = ()
        if end is not None and end.text == "else":
            following = self._peek_past_space()
            if following.token is Token.NAME and following.text == word.text and word.text in ("if", "with"):
                self._next_past_space()
                otherwise = (self._control(following),)
                end = None
            else:
                self._expect_close("else")
                otherwise, end = self._body()
                self._expect_end(word, end)
        else:
            self._expect_end(word, end)
        del self._variables[mark:]
        self._depth -= 1
        return _CONTROLS[word.text](pipe, body, otherwise)

    def _expect_end(self, word: Lexeme, end: Lexeme | None) -> None:
        if end is None:
            raise TemplateError(word.position, f"{word.text} has no {{{{end}}}}", "add {{ end }}", len(word.text))
        if end.text == "else":
            raise TemplateError(end.position, "unexpected {{else}}", width=4)
        self._expect_close("end")

    def _expect_close(self, after: str) -> None:
        lexeme = self._next_past_space()
        if lexeme.token is not Token.CLOSE:
            raise self._unexpected(lexeme, after)

    # Pipelines

    def _pipeline(self, context: str, closing: Token) -> Pipe:
        start = self._peek_past_space()
        variables, assigns = self._declarations(context)
        commands: list[Command] = []
        while True:
            lexeme = self._peek_past_space()
            if lexeme.token is closing:
                self._next_past_space()
                if not commands:
                    raise TemplateError(start.position, f"missing value for {context}")
                self._check_stages(commands)
                return Pipe(
                    tuple(commands), variables, assigns, start.position, max(1, lexeme.position - start.position)
                )
            if lexeme.token not in _OPERANDS:
                raise self._unexpected(lexeme, context)
            commands.append(self._command())

    def _declarations(self, context: str) -> tuple[tuple[str, ...], bool]:
        """`$x :=`, `$x =` or, for range, `$i, $e :=`, where there is one."""
        names: list[str] = []
        taken: list[Lexeme] = []
        while self._peek_past_space().token is Token.VARIABLE:
            taken += self._take_past_space()
            following = self._peek_past_space()
            if following.token is Token.COMMA and context == "range" and not names:
                names.append(taken[-1].text)
                taken += self._take_past_space()
                continue
            if following.token not in (Token.DECLARE, Token.ASSIGN):
                break
            names.append(taken[-1].text)
            self._next_past_space()
            if following.token is Token.DECLARE:
                self._variables += names
            else:
                for name in names:
                    self._check_variable(name, following)
            return tuple(names), following.token is Token.ASSIGN
        self._ahead[:0] = taken
        return (), False

    def _check_variable(self, name: str, lexeme: Lexeme) -> None:
        if name not in self._variables:
            close = get_close_matches(name, self._variables, 1)
            hint = f"did you mean {close[0]}?" if close else "declare it with :="
            raise TemplateError(lexeme.position, f"undefined variable {name}", hint, len(name))

    def _check_stages(self, commands: list[Command]) -> None:
        for command in commands:
            first = command.operands[0]
            if isinstance(first, Nothing):
                raise TemplateError(first.position, "nil is no command", "give it to a function", 3)
        for number, command in enumerate(commands[1:], 2):
            first = command.operands[0]
            if isinstance(first, Literal | Dot):
                raise TemplateError(
                    first.position,
                    f"stage {number} of the pipeline is no function",
                    "use a function there",
                    first.width,
                )

    def _command(self) -> Command:
        operands: list[Operand] = []
        while True:
            if self._peek_past_space().token in _OPERANDS:
                self._skip_space()
                operands.append(self._operand())
            lexeme = self._next()
            if lexeme.token is Token.SPACE:
                continue
            if lexeme.token in (Token.CLOSE, Token.RIGHT):
                self._ahead.insert(0, lexeme)
            elif lexeme.token is not Token.PIPE:
                raise self._unexpected(lexeme, "operand")
            elif self._peek_past_space().token not in _OPERANDS:
                raise TemplateError(lexeme.position, "missing value after the pipe")
            if not operands:
                raise TemplateError(lexeme.position, "empty command")
            return Command(tuple(operands))

    def _operand(self) -> Operand:
        """One value; the caller has seen that the next token begins one."""
        lexeme = self._next()
        position, width = lexeme.position, len(lexeme.text)
        match lexeme.token:
            case Token.NAME if lexeme.text in ("true", "false"):
                return self._without_fields(Literal(lexeme.text == "true", position, width))
            case Token.NAME if lexeme.text == "nil":
                return self._without_fields(Nothing(position))
            case Token.NAME if lexeme.text in _KEYWORDS:
                raise self._unexpected(lexeme, "command")
            case Token.NAME:
                if lexeme.text not in self._functions:
                    raise self._unknown_function(lexeme)
                if self._peek().token is Token.FIELD:
                    raise self._unexpected(self._peek(), "function")
                return Function(lexeme.text, position, width)
            case Token.DOT:
                return self._without_fields(Dot(position))
            case Token.FIELD:
                self._ahead.insert(0, lexeme)
                names = self._names()
                return Field(names, position, _span(position, names))
            case Token.VARIABLE:
                self._check_variable(lexeme.text, lexeme)
                names = self._names()
                return Variable(lexeme.text, names, position, max(width, _span(position, names)))
            case Token.LEFT:
                self._deeper(lexeme)
                pipe = self._pipeline("parenthesized pipeline", Token.RIGHT)
                self._depth -= 1
                names = self._names()
                return Chain(pipe, names, position) if names else pipe
            case _:
                return self._without_fields(Literal(constant(lexeme), position, width))

    def _names(self) -> tuple[Name, ...]:
        names: list[Name] = []
        while self._peek().token is Token.FIELD:
            lexeme = self._next()
            names.append(Name(lexeme.text[1:], lexeme.position + 1))
        return tuple(names)

    def _without_fields(self, operand: Literal | Dot | Nothing) -> Literal | Dot | Nothing:
        if self._peek().token is Token.FIELD:
            raise self._unexpected(self._peek(), "term")
        return operand

    def _unknown_function(self, lexeme: Lexeme) -> TemplateError:
        known = sorted(self._functions)
        close = get_close_matches(lexeme.text, known, 1)
        if lexeme.text == "raw":
            hint = "raw is for Files; in Env use string, hex or base64"
        elif lexeme.text == "string":
            hint = "string is for Env; in Files use raw, hex or base64"
        elif close:
            hint = f"did you mean {close[0]}?"
        else:
            hint = "functions here: " + ", ".join(known)
        return TemplateError(lexeme.position, f'function "{lexeme.text}" is not defined', hint, len(lexeme.text))

    def _unexpected(self, lexeme: Lexeme, context: str) -> TemplateError:
        what = "end of the text" if lexeme.token is Token.END else f"<{lexeme.text}>"
        return TemplateError(lexeme.position, f"unexpected {what} in {context}", width=len(lexeme.text))

    def _deeper(self, lexeme: Lexeme) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise TemplateError(lexeme.position, f"more than {_MAX_DEPTH} levels of nesting")

    # Lookahead

    def _next(self) -> Lexeme:
        return self._ahead.pop(0) if self._ahead else next(self._lexemes)

    def _peek(self) -> Lexeme:
        if not self._ahead:
            self._ahead.append(next(self._lexemes))
        return self._ahead[0]

    def _peek_past_space(self) -> Lexeme:
        if self._ahead and self._ahead[0].token is not Token.SPACE:
            return self._ahead[0]
        index = 0
        while True:
            if index == len(self._ahead):
                self._ahead.append(next(self._lexemes))
            if self._ahead[index].token is not Token.SPACE:
                return self._ahead[index]
            index += 1

    def _skip_space(self) -> None:
        while self._peek().token is Token.SPACE:
            self._next()

    def _take_past_space(self) -> list[Lexeme]:
        """Spaces and the token after them, so that they can be put back."""
        taken = [self._next()]
        while taken[-1].token is Token.SPACE:
            taken.append(self._next())
        return taken

    def _next_past_space(self) -> Lexeme:
        return self._take_past_space()[-1]


def _is_blank(body: tuple[Node, ...]) -> bool:
    """Whether a body is nothing but spaces and definitions."""
    return all(isinstance(node, Text) and not node.text.strip() for node in body)


def _span(position: int, names: tuple[Name, ...]) -> int:
    return names[-1].position + len(names[-1].text) - position if names else 1


_CONTROLS: Final[dict[str, type[If] | type[With] | type[Range]]] = {"if": If, "with": With, "range": Range}
_KEYWORDS: Final = frozenset(
    {"if", "with", "range", "end", "else", "break", "continue", "define", "template", "block", "nil"}
)
_OPERANDS: Final = frozenset(
    {
        Token.NAME,
        Token.DOT,
        Token.FIELD,
        Token.VARIABLE,
        Token.LEFT,
        Token.STRING,
        Token.RAW_STRING,
        Token.CHARACTER,
        Token.NUMBER,
    }
)
_MAX_DEPTH: Final = 64
