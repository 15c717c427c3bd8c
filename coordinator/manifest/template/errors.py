"""What can be wrong with a template."""


class FunctionError(ValueError):
    """A function refuses its arguments; it never shows them."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class TemplateError(Exception):
    """A template is refused, or cannot be rendered.

    position: offset into the template's text, in characters; width: how many characters it is about.
    The message never holds a secret's bytes.
    """

    def __init__(self, position: int, message: str, hint: str = "", width: int = 1) -> None:
        super().__init__(message)
        self.position = position
        self.message = message
        self.hint = hint
        self.width = max(1, width)
