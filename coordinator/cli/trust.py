"""Which roots, endorsements and reference values the user chose; read from his files."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import read_input
from coordinator.cli.problems import Problem

if TYPE_CHECKING:
    from attestation.anchors import TrustAnchors
    from attestation.claims import ReferenceValues
    from attestation.endorsements import Endorsements


class Moment(click.ParamType[datetime]):
    """A moment in RFC 3339, with its offset from UTC."""

    name = "RFC3339"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(f"expected a moment like 2026-11-20T12:00:00Z, got '{value}'", param, ctx)
        return moment.astimezone(UTC)


class Hex(click.ParamType[bytes]):
    """Bytes in hexadecimal digits."""

    name = "HEX"

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            raw = bytes.fromhex(str(value))
        except ValueError:
            self.fail(f"expected hexadecimal digits, got '{value}'", param, ctx)
        if not 1 <= len(raw) <= self.longest:
            self.fail(f"expected 1 to {self.longest} bytes, got {len(raw)}", param, ctx)
        return raw


def current_moment() -> datetime:
    """The clock, in UTC: the only place of the command line that reads it."""
    return datetime.now(UTC)  # noqa: TID251 - shell: reads the clock


def read_anchors(*trust: Path | None) -> "TrustAnchors":
    """The built-in roots, and what the user gave: simulated roots (PEM), keys of NVIDIA's service (JWKS)."""
    from attestation.anchors import TrustAnchors
    from attestation.jws import parse_keys

    anchors = TrustAnchors.genuine()
    for path in trust:
        if path is None:
            continue
        raw = read_input(path)
        with _of_file(path, _WHOM_TO_TRUST):
            if raw.lstrip().startswith(b"{"):
                if not parse_keys(raw):  # refused here, and not when a token comes
                    message = f"{path}: expected root certificates in PEM or EC keys in a JWKS, got JSON with neither"
                    raise Problem(message, exit_codes.INVALID, "U509", _WHOM_TO_TRUST)
                anchors = anchors.with_nras_keys(raw)
            else:
                anchors = anchors.with_simulated(raw)
    return anchors


def read_endorsements(collateral: Path | None) -> "Endorsements":
    """The collateral bundle in the file, or none."""
    from attestation.endorsements import Endorsements, parse_bundle

    if collateral is None:
        return Endorsements.none()
    raw = read_input(collateral)
    with _of_file(collateral, "`enclasp collateral fetch` writes bundles, `enclasp collateral show` reads them"):
        return parse_bundle(raw)


@contextlib.contextmanager
def _of_file(path: Path, hint: str) -> Iterator[None]:
    """Say of what cannot be read in which file it stands."""
    from attestation.errors import AttestationError

    try:
        yield
    except AttestationError as cause:
        raise Problem(f"{path}: {cause}", exit_codes.INVALID, "U509", hint) from cause


def read_reference(reference: Path) -> "tuple[ReferenceValues, ...]":
    """The alternatives in a document of reference values.  Raises ManifestInvalid, Problem."""
    from coordinator.manifest.package import parse_reference

    return parse_reference(_without_client_options(read_input(reference), reference), name=str(reference))


def _without_client_options(raw: bytes, reference: Path) -> bytes:
    """A MarbleRun `era-config.json` less the two options in it that say how to connect (contract, 6.1)."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    if not isinstance(document, dict) or _CLIENT_OPTIONS.isdisjoint(document):
        return raw
    if document.get("InsecureSkipVerify"):
        text = f"{reference}: InsecureSkipVerify asks for no verification at all"
        raise Problem(text, exit_codes.INVALID, "U506", "remove it; to talk without verification give --insecure")
    return json.dumps({key: value for key, value in document.items() if key not in _CLIENT_OPTIONS}).encode()


_WHOM_TO_TRUST: Final = "the vendors' roots are built in; for simulated hardware name its vendor's trust.pem"
_CLIENT_OPTIONS: Final = frozenset({"InsecureSkipVerify", "Nonce"})
