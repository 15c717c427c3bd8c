"""Passwords from random bytes: every character of the alphabet is equally likely."""

from collections.abc import Callable, Iterator

from coordinator.manifest.model import PasswordRule


def draw_password(rule: PasswordRule, entropy: Callable[[int], bytes]) -> bytes:
    """A password by this rule, ASCII.  entropy: gives that many random bytes, other ones at each call."""
    return _password(rule, _stream(entropy))


def password_from(rule: PasswordRule, stream: bytes) -> bytes:
    """The password that these bytes make.  ValueError where they do not suffice: 8,160 do, whatever the rule is,
    but once in more than 2^1000 times."""
    return _password(rule, iter(stream))


def _password(rule: PasswordRule, stream: Iterator[int]) -> bytes:
    """Bytes beyond the last whole multiple of the alphabet are left out, so that none is preferred."""
    alphabet = rule.characters.encode("ascii")
    fair = 256 - 256 % len(alphabet)
    chosen = bytearray()
    for byte in stream:
        if byte < fair:
            chosen.append(alphabet[byte % len(alphabet)])
            if len(chosen) == rule.length:
                return bytes(chosen)
    raise ValueError(f"{len(chosen)} of {rule.length} characters: too few random bytes")


def _stream(entropy: Callable[[int], bytes]) -> Iterator[int]:
    while True:
        yield from entropy(64)
