"""Names that a manifest can use everywhere: marbles as in DNS, secrets as in templates."""

import re
from typing import Final


def marble_name(text: str) -> str:
    """Lower-case letters, digits and hyphens, as in a DNS label; never empty."""
    return _NOT_LABEL.sub("-", text.lower()).strip("-") or "service"


def secret_name(*parts: str) -> str:
    """A name in camel case that `.Secrets.NAME` can be written with; never empty."""
    words = [word for part in parts for word in _WORD.findall(part)]
    capitals = "".join(word[:1].upper() + word[1:] for word in (w.lower() if w.isupper() else w for w in words))
    name = capitals[:1].lower() + capitals[1:]
    return name if name[:1].isalpha() else f"secret{name}"


def variable_name(secret: str) -> str:
    """The environment variable for a secret: `sessionKey` is SESSION_KEY."""
    return _HUMP.sub("_", secret).upper()


def unused(name: str, taken: "set[str] | dict[str, object]") -> str:
    """The name, or the first with a number that is not taken."""
    number, candidate = 2, name
    while candidate in taken:
        candidate, number = f"{name}{'' if name[-1:].isalpha() else '-'}{number}", number + 1
    return candidate


_NOT_LABEL: Final = re.compile(r"[^a-z0-9]+")
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
