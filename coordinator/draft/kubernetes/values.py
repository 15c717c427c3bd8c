"""A value put together from text that may be read by all and templates of secrets."""

from dataclasses import dataclass

from coordinator.draft.model import Content


@dataclass(frozen=True, slots=True)
class Value:
    """Pieces in their order: (text, whether it is a template)."""

    pieces: tuple[tuple[str, bool], ...] = ()

    @property
    def is_plain(self) -> bool:
        """No secret in it."""
        return not any(is_template for _, is_template in self.pieces)

    @property
    def plain(self) -> str:
        """The text without its secrets."""
        return "".join(text for text, is_template in self.pieces if not is_template)

    def content(self, name: str, notes: tuple[str, ...] = ()) -> Content:
        """The entry of a manifest: braces of the text mean nothing there."""
        if self.is_plain:
            return Content(name, self.plain, notes=notes)
        escaped = (text if is_template else text.replace("{{", '{{ "{{" }}') for text, is_template in self.pieces)
        return Content(name, "".join(escaped), is_template=True, notes=notes)

    def __add__(self, other: "Value") -> "Value":
        return Value(self.pieces + other.pieces)


def plain(text: str) -> Value:
    """A text that anybody may read."""
    return Value(((text, False),)) if text else Value()


def template(text: str) -> Value:
    """A template of a secret."""
    return Value(((text, True),))
