"""Passwords that the Coordinator makes: how long, and of which characters."""

import string
from collections.abc import Mapping
from typing import Final

from coordinator.manifest.model import PasswordRule, SecretType
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View


def read_password(reading: Reading, name: str, view: View, kind: SecretType) -> PasswordRule | None:
    """The rule of a generated password; None for other types, with a finding for what does not fit them."""
    if kind is not SecretType.PASSWORD:
        for key in ("Length", "Alphabet", "Characters"):
            if view.has(key):
                message = f'secret "{name}" of type {kind} has {key}, which only passwords have'
                reading.refuse("E070", view.place(key), message, "remove it, or use type generated-password")
        return None
    if view.flag("UserDefined"):
        message = f'secret "{name}" of type {kind} is made by the Coordinator'
        reading.refuse("E070", view.place("UserDefined"), message, "use type plain for one that a user sets")
    if view.has("Size"):
        message = f'secret "{name}": a password has a Length, in characters, and no Size'
        reading.refuse("E070", view.place("Size"), message, "write Length instead")
    if view.has("Alphabet") and view.has("Characters"):
        message = f'secret "{name}" has both Alphabet and Characters'
        reading.refuse("E070", view.place("Characters"), message, "keep one of them")
    characters = view.text("Characters") or _ALPHABETS[view.text("Alphabet") or "Alphanumeric"]
    repeated = sorted({character for character in characters if characters.count(character) > 1})
    if repeated:
        message = f'secret "{name}": Characters has {"".join(repeated)} more than once'
        reading.refuse("E070", view.place("Characters"), message, "write each character once")
    return PasswordRule(view.number("Length") or DEFAULT_LENGTH, "".join(dict.fromkeys(characters)))


DEFAULT_LENGTH: Final = 32
_ALPHABETS: Final[Mapping[str, str]] = {
    "Alphanumeric": string.ascii_letters + string.digits,
    "Letters": string.ascii_letters,
    "Digits": string.digits,
    "Hex": string.digits + "abcdef",
    "Unambiguous": "".join(c for c in string.ascii_letters + string.digits if c not in "0O1Il"),
    "Printable": "".join(map(chr, range(0x21, 0x7F))),
}
