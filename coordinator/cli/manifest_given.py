"""What people give to `manifest init` as files: measured values, certificates and keys."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

from coordinator.cli import exit_codes
from coordinator.cli.command import read_input
from coordinator.cli.manifest_measure import sigstruct_values
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from coordinator.draft.model import Person
    from coordinator.manifest.document import MapNode


class People(TypedDict):
    """Fields of a draft: who may update it, and who can recover the state."""

    people: "tuple[Person, ...]"
    owners: "tuple[Person, ...]"


def read_people(users: Sequence[str], owners: Sequence[str]) -> People:
    """Users with their certificates, and owners with their public keys, each given as NAME=FILE.

    That they are what a manifest takes is for `manifest check` to say.  Raises Problem, OSError.
    """
    return {
        "people": tuple(_person("--user", text, "CERTIFICATE") for text in users),
        "owners": tuple(_person("--recovery-key", text, "PUBLIC KEY") for text in owners),
    }


def _person(flag: str, text: str, label: str) -> "Person":
    from coordinator.draft.model import Person

    name, _, file = text.partition("=")
    if not name or not file:
        raise Problem(f"{flag} {text}: expected NAME=FILE", exit_codes.USAGE, "U552")
    raw = read_input(Path(file), limit=_LARGEST)
    if f"-----BEGIN {label}-----".encode() not in raw or not raw.isascii() or b"PRIVATE KEY" in raw:
        message = f"{file}: expected PEM of type {label}, and nothing private"
        raise Problem(message, exit_codes.INVALID, "U552", _HINTS[label])
    return Person(name, raw.decode("ascii").replace("\r\n", "\n").rstrip("\n") + "\n")


def read_references(texts: Sequence[str], services: Sequence[str]) -> "Mapping[str, MapNode]":
    """Fields of a package by service.  Raises ManifestInvalid, OSError."""
    from coordinator.manifest.document import MapNode
    from coordinator.manifest.package import parse_reference
    from coordinator.manifest.reader import read

    measured = {}
    for text in texts:
        service, equals, name = text.partition("=")
        if not equals or service not in services:
            service, name = (services[0] if len(services) == 1 else ""), text
        if not service:
            hint = f"write SERVICE=FILE, with one of {', '.join(services) or 'none'}"
            raise Problem(f"--reference {text} names no service", exit_codes.USAGE, "U550", hint)
        raw = read_input(Path(name))
        if raw[:4] == _SIGSTRUCT:
            raw = "".join(f"{key}: {value!r}\n" for key, value in sigstruct_values(Path(name), raw)[0].items()).encode()
            raw = b"SGX:\n" + b"".join(b"  " + line + b"\n" for line in raw.splitlines())
        parse_reference(raw, name=name)
        _, root = read(raw, name=name, compatible=False)
        assert isinstance(root, MapNode), "parse_reference let it through"
        measured[service] = root
    return measured


_LARGEST: Final = 64 * 1024
_HINTS: Final[Mapping[str, str]] = {
    "CERTIFICATE": "the certificate that the user shows in TLS; its key stays with the user",
    "PUBLIC KEY": "openssl pkey -in alice.key -pubout writes it",
}
_SIGSTRUCT: Final = b"\x06\x00\x00\x00"
"""The first field of an SGX SIGSTRUCT's header (Intel SDM, volume 3D, 38.13)."""
