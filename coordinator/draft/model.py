"""A manifest in the making: what is known of a deployment, and what a person has still to decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from attestation.kinds import Kind
from coordinator.manifest.document import MapNode
from coordinator.manifest.undecided import MARKER

UNKNOWN_LIMIT: Final = -1


CERTIFICATES: Final = (
    "The certificate of a marble is valid for a year. Where a program reads it from Files, and again on a signal, an "
    "hour is enough: RenewalSignal: SIGHUP, and RequireFreshEvidence: true."
)
"""Said in each draft, which cannot know what a program does on a signal."""


def question(text: str) -> str:
    """What is still to be decided, as a value or as a comment."""
    return f"{MARKER} {text}"


@dataclass(frozen=True, slots=True)
class Platform:
    """Where a program may run.  gpu: an NVIDIA GPU belongs to it.  fields: reference values that are known."""

    kind: Kind
    gpu: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """A file or variable.  text: a template, unless plain.  data: instead of text, base64 of what is no text."""

    name: str
    text: str
    is_template: bool = False
    is_base64: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A marble in the making, with the package that is its alone.

    platforms: each is enough.  measured: fields of the package that are known, in the place of `platforms`.
    starts: the proposed MaxActivations (0: without limit, UNKNOWN_LIMIT: somebody has to say); starts_question: what
    a person has to consider.  about: comments on the package, notes: on the marble.  tags: names of TLS tags.
    """

    name: str
    platforms: tuple[Platform, ...]
    measured: MapNode | None = None
    starts: int = 0
    starts_question: str = ""
    argv: tuple[str, ...] = ()
    env: tuple[Content, ...] = ()
    files: tuple[Content, ...] = ()
    tags: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """A shared symmetric key, made by the Coordinator; `hex` or `base64` of it is a password.  size: bits."""

    name: str
    notes: tuple[str, ...] = ()
    size: int = 256


@dataclass(frozen=True, slots=True)
class Upload:
    """A value that a user sets: it comes from outside."""

    name: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for clients from outside.  hosts: DNS names; empty: somebody has to say."""

    name: str
    hosts: tuple[str, ...]
    notes: tuple[str, ...] = ()


Secret = Key | Upload | Certificate


@dataclass(frozen=True, slots=True)
class Tag:
    """A TLS tag: a port that a service listens on, or an address that it connects to (then `address` is not empty).

    certificate: secret that is shown to clients from outside, who have none themselves.
    """

    name: str
    port: str
    address: str = ""
    certificate: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """A user, or an owner of a recovery key.  pem: certificate or public key; empty where somebody has to say."""

    name: str
    pem: str


@dataclass(frozen=True, slots=True)
class Draft:
    """head: comments on the whole.  people: who may update it.  owners: who can recover the state together."""

    head: tuple[str, ...]
    services: tuple[Service, ...]
    secrets: tuple[Secret, ...] = ()
    tags: tuple[Tag, ...] = ()
    people: tuple[Person, ...] = ()
    owners: tuple[Person, ...] = ()
