"""Any text is a template or a TemplateError with a place in it; nothing else happens."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.manifest.template.lexer import Token, lex
from coordinator.manifest.template.render import Place, Template, TemplateError
from coordinator.manifest.template.values import SecretValue

PIECES = st.sampled_from(
    [
        *("{{", "}}", "{{- ", " -}}", "{{/*", "*/}}", " ", "\n", "|", "(", ")", ",", ":=", "=", ".", "$", "$x", "-"),
        *("if ", "else ", "end", "range ", "with ", "break", "true", "nil", "hex ", "pem ", "index ", "printf "),
        *(".Secrets", ".Secrets.key", ".Secrets.key.Cert", ".MarbleRun", '"text"', "`raw`", "'a'", "1", "0x1f", "1e3"),
        *("é", "\udc80", "\\", '"', "'", "\0"),
    ]
)
TEXTS = st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=40).filter(
    lambda text: text.encode("utf-8", "surrogatepass").isascii() or text.isprintable()
)
CONTEXT: dict[str, Any] = {
    "Secrets": {"key": SecretValue("symmetric-key", size=16, public=b"ab", private=b"ab")},
    "Previous": {"Secrets": {}},
    "MarbleRun": {},
}


def error_of(source: bytes, place: Place) -> TemplateError | None:
    try:
        Template.parse(source, place).render(CONTEXT, place)
    except TemplateError as error:
        return error
    return None


@given(TEXTS, st.sampled_from(Place))
@settings(max_examples=200, deadline=None)
def test_any_text_renders_or_says_where_it_is_wrong(text: str, place: Place) -> None:
    error = error_of(text.encode("utf-8", "surrogateescape"), place)
    assert error is None or (0 <= error.position <= len(text) and error.message)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60).filter(lambda text: "{{" not in text))
@settings(max_examples=100, deadline=None)
def test_text_without_actions_is_one_token(text: str) -> None:
    tokens = list(lex(text))
    assert "".join(lexeme.text for lexeme in tokens if lexeme.token is Token.TEXT) == text
    assert tokens[-1].token is Token.END


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters='"\\\n'), max_size=30))
@settings(max_examples=100, deadline=None)
def test_a_quoted_string_renders_as_itself(text: str) -> None:
    assert Template.parse(f'{{{{ "{text}" }}}}'.encode(), Place.FILE).render(CONTEXT, Place.FILE) == text.encode()


@given(st.binary(min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_hex_of_a_secret_is_its_bytes_in_hex(data: bytes) -> None:
    context = {"Secrets": {"k": SecretValue("symmetric-key", public=data, private=data)}}
    assert Template.parse(b"{{ hex .Secrets.k }}", Place.ENV).render(context, Place.ENV) == data.hex().encode()
    assert Template.parse(b"{{ raw .Secrets.k }}", Place.FILE).render(context, Place.FILE) == data
