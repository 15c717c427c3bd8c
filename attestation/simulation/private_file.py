"""Keys of a simulated vendor on disk: one JSON file that only its owner may read."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from attestation.anchors import MALFORMED
from attestation.errors import EndorsementFormatError

_OWNER_ONLY: Final = 0o600


def write_private(place: Path, document: Mapping[str, object]) -> None:
    """Write a new file, durably.  Raises OSError, FileExistsError where there is one."""
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def opened_private(place: Path, expected_format: str) -> Iterator[dict[str, Any]]:
    """What `write_private` wrote, for a block that makes a vendor of it.

    Raises EndorsementFormatError as `read_private` does, and if a part is missing or cannot be read.
    """
    stored = read_private(place, expected_format)
    try:
        yield stored
    except (KeyError, AttributeError, *MALFORMED) as error:
        raise EndorsementFormatError(f"simulated vendor: expected '{place}' to be whole, got {error!r:.80}") from error


def read_private(place: Path, expected_format: str) -> dict[str, Any]:
    """What `write_private` wrote.  Raises EndorsementFormatError if it is absent, unreadable, or of another format."""
    try:
        document = json.loads(place.read_bytes())
    except OSError as error:
        raise EndorsementFormatError(
            f"simulated vendor: expected '{place}' to be readable, got {error.strerror}; "
            "make a vendor with `enclasp simulate vendor new`"
        ) from error
    except ValueError as error:
        raise EndorsementFormatError(f"simulated vendor: expected '{place}' to be JSON, got {error}") from error
    found = document.get("format") if isinstance(document, dict) else type(document).__name__
    if not isinstance(document, dict) or found != expected_format:
        raise EndorsementFormatError(
            f"simulated vendor: expected '{place}' to have format '{expected_format}', got {found!r:.60}"
        )
    return document


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """An unencrypted private key; the file's mode protects it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def read_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError for anything but a key on an elliptic curve."""
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("a key is not on an elliptic curve")
    return key
