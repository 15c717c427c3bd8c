"""`enclasp verify --follow`: from what a visitor verified before to what it has become."""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coordinator.cli import exit_codes
from coordinator.cli.command import read_input
from coordinator.cli.manifest_words import change_lines
from coordinator.cli.problems import Problem
from coordinator.manifest.words import printable

if TYPE_CHECKING:
    from coordinator.client.client import CoordinatorClient
    from coordinator.client.history import Followed
    from coordinator.client.verify import VerifiedDeployment


@dataclass(frozen=True, slots=True)
class Known:
    """digest: of the manifest that was verified before.  root_key: of its coordinator (SHA-256), or empty.

    document: the manifest's bytes, if they were given.
    """

    digest: bytes
    root_key: bytes = b""
    document: bytes = b""


def read_known(text: str) -> Known:
    """A fingerprint in hex, certificates in PEM (the last is the root), or a manifest.  Raises Problem."""
    from coordinator.client.transport import key_digest
    from pki.certificates import der, load_pem_chain
    from pki.manifest_digest import manifest_digest_of

    if len(text) == 64 and not Path(text).exists():
        try:
            return Known(bytes.fromhex(text))
        except ValueError:
            pass
    if _HEX.fullmatch(text) and not Path(text).exists():
        message = f"--follow {text}: expected a file, or a fingerprint of 64 hex digits, got {len(text)} digits"
        raise Problem(message, exit_codes.INVALID, "U501", "sha256sum of the manifest is its fingerprint")
    raw = read_input(Path(text))
    if not raw.lstrip().startswith(b"-----BEGIN CERTIFICATE-----"):
        return Known(hashlib.sha256(raw).digest(), document=raw)
    root = load_pem_chain(raw)[-1]
    digest = manifest_digest_of(root)
    if not digest:
        raise Problem(f"{text}: the root certificate names no manifest", exit_codes.INVALID, "V136")
    return Known(digest, key_digest(der(root)))


def followed(
    deployment: "VerifiedDeployment", client: "CoordinatorClient | None", known: Known
) -> "tuple[VerifiedDeployment, tuple[Followed, ...]]":
    """The same deployment with the checks of every step since.  client: None offline; then the certificate alone says
    that the known manifest came before.

    Raises HistoryRefused.
    """
    from attestation.checks import failed, passed
    from coordinator.client.history import HistoryRefused, follow, prove
    from coordinator.client.transport import key_digest
    from pki.certificates import der
    from pki.manifest_history import history_of

    checks = []
    key = key_digest(der(deployment.root))
    if known.root_key:
        expected, found = known.root_key.hex(), key.hex()
        if known.root_key != key:
            check = failed("history.root", expected, found, "--follow", code="U532")
            raise HistoryRefused("U532", f"history.root: expected key {expected}, found {found}", (check,))
        checks.append(passed("history.root", expected, found, "--follow"))
    if client is not None:
        steps, more = follow(prove(deployment.root, client.history()), known.digest, known.document)
        return replace(deployment, checks=(*deployment.checks, *checks, *more)), steps
    mark = history_of(deployment.root)
    before = (deployment.manifest_digest, *(mark.predecessors if mark is not None else ()))
    found = ", ".join(digest.hex() for digest in before)
    if known.digest not in before:
        check = failed("history.known", known.digest.hex(), found, "the root certificate", code="U532")
        raise HistoryRefused("U532", f"history.known: expected {known.digest.hex()}, found {found}", (check,))
    checks.append(passed("history.known", known.digest.hex(), found, "the root certificate"))
    return replace(deployment, checks=(*deployment.checks, *checks)), ()


def step_lines(followed: "Followed") -> list[str]:
    """One step for people, and what it weakened or widened."""
    entry = followed.step.entry
    by = ", ".join(f"{a.user}{' (signed)' if a.signature else ''}" for a in entry.approvals) or "nobody"
    versions = "".join(f" {name} {version}" for name, version in entry.versions.items())
    what = versions.strip() or entry.manifest.hex()
    label = f"step {entry.number}"
    found = [line for change in followed.weakenings or () for line in change_lines(change).split("\n")]
    if followed.weakenings is None:
        found = ["what it weakened is not known: a document that it needs is not kept any more"]
    return [printable(f"{label:<26}{entry.kind}: {what}, approved by {by}"), *(f"{'':<26}{line}" for line in found)]


_HEX: Final = re.compile("[0-9a-fA-F]{8,}")
