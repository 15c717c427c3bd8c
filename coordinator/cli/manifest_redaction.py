"""What a marble is given, without the secrets in it.

The same parameters are rendered a second time with other secrets.  What is the same both times tells nothing of them
and is shown.  In the rest, secrets in their usual forms are replaced by their names; where both are then still
different, the secret was put in some other form, and the whole value is hidden.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from coordinator.cli.manifest_rehearsal import Given, Rehearsal, Value
from coordinator.manifest.model import Marble, SecretType
from coordinator.manifest.template.values import SecretValue
from coordinator.secrets.parameters import Identity
from pki.pem import pem_block


def redact(rehearsal: Rehearsal, marble: Marble, given: Given, *, entropy: Callable[[int], bytes]) -> Given:
    """The same without secrets."""
    secrets = {name: _other(value, entropy) for name, value in given.secrets.items()}
    identity = Identity(given.identity.certificate, ec.generate_private_key(ec.SECP384R1()))
    twin = rehearsal.render(marble, identity, secrets)
    ours, theirs = _names(given), _names(twin)
    # The public key of its certificate is no secret, though it differs between the two.
    theirs += list(zip(_forms(identity.public), _forms(given.identity.public), strict=True))

    def hidden(value: Value, other: Value) -> Value:
        if value == other or value.problem:
            return value
        shown = _replaced(value.content, ours)
        if not other.problem and shown == _replaced(other.content, theirs):
            return Value(shown)
        return Value(f"<redacted: {len(value.content)} bytes made from secrets>".encode())

    return replace(
        given,
        files={path: hidden(value, twin.files[path]) for path, value in given.files.items()},
        env={name: hidden(value, twin.env[name]) for name, value in given.env.items()},
    )


def _other(value: SecretValue, entropy: Callable[[int], bytes]) -> SecretValue:
    """The same definition and certificate with another private part, of which no byte is the same.

    Of a text it is a text too, since templates take it as one.
    """
    mask = entropy(len(value.private))
    if value.type in (SecretType.PASSWORD, SecretType.PLAIN):
        private = bytes(0x21 + (byte - 0x20 + more % 93) % 94 for byte, more in zip(value.private, mask, strict=True))
    else:
        private = bytes(byte ^ (different or 1) for byte, different in zip(value.private, mask, strict=True))
    return replace(value, private=private, public=value.public if value.cert_der else private)


def _names(given: Given) -> list[tuple[bytes, bytes]]:
    """Each secret in each of its forms, and what stands for it."""
    values: Mapping[str, bytes] = {f"<secret {name}>": value.private for name, value in given.secrets.items()}
    own = {"<private key of this marble>": given.identity.private}
    return [(form, name.encode()) for name, value in {**values, **own}.items() for form in _forms(value)]


def _forms(value: bytes) -> Iterator[bytes]:
    """As templates write it: PEM (also inside JSON text), base64, hex, and the bytes themselves."""
    for label in ("PRIVATE KEY", "PUBLIC KEY"):
        block = pem_block(label, value)
        yield from (block.encode(), block.rstrip("\n").encode(), json.dumps(block)[1:-1].encode())
    yield from (base64.b64encode(value), value.hex().encode(), value.hex().upper().encode(), value)


def _replaced(content: bytes, names: list[tuple[bytes, bytes]]) -> bytes:
    """In one pass, so that nothing in a name is replaced; the longest first, so that no form is cut by a shorter one.

    A form of fewer than four bytes stands anywhere by chance: what holds one is hidden as a whole.
    """
    known = {form: name for form, name in names if len(form) >= _SHORTEST}
    if not known:
        return content
    longest_first = sorted(known, key=len, reverse=True)
    return re.sub(b"|".join(map(re.escape, longest_first)), lambda found: known[found.group()], content)


_SHORTEST: Final = 4
