"""What can go wrong before there is a verdict."""

from collections.abc import Mapping
from typing import Final


class AttestationError(Exception):
    """Base of this package's errors."""


class EvidenceFormatError(AttestationError):
    """These bytes are no Evidence of the kind that was expected: `what` holds field, expected and got."""


class EndorsementFormatError(AttestationError):
    """A collateral bundle, certificate or trust anchor cannot be read."""


class NoDevice(AttestationError):
    """No confidential computing environment to issue Evidence; the text says what was looked for."""


class NoSealingKey(AttestationError):
    """This environment has no key that only the same program gets again; the text says what to do instead."""


def foreign_package(error: ModuleNotFoundError) -> str:
    """The package of others that is not installed.  Raises the error itself where a module of ours is missing."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "attestation", "pki"):
        raise error
    return package


def in_words(value: object) -> str:
    """What kind of JSON value was found, as people call it."""
    return _JSON_KINDS.get(type(value), type(value).__name__)


_JSON_KINDS: Final[Mapping[type, str]] = {
    type(None): "nothing",
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
}
