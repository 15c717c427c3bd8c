"""Whose word is this?  A user approves by a connection that proves the certificate, or by a detached signature."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from coordinator.decisions.errors import ApprovalRefused
from coordinator.decisions.users import find_user, require
from coordinator.manifest.approvers import key_of, updaters
from coordinator.manifest.model import WHOLE_MANIFEST, Action, Manifest, User
from coordinator.manifest.signature import DetachedSignature, SignatureWrong, Subject
from coordinator.state.events import Approval
from coordinator.state.model import Deployment
from coordinator.wire.history import parse_entry


@dataclass(frozen=True, slots=True)
class Approver:
    """A user who may say yes, and does.  signature: detached, or empty for a connection."""

    user: User
    key: bytes
    signature: bytes

    def approval(self, now: datetime) -> Approval:
        """As it is recorded."""
        return Approval(milliseconds(now), self.user.name, self.key, self.signature)


def by_connection(deployment: Deployment, leaf: bytes) -> Approver:
    """The user whose certificate the connection proved.  Raises UnknownUser, NotPermitted."""
    user = find_user(deployment.manifest, leaf)
    require(user, Action.UPDATE_MANIFEST, [WHOLE_MANIFEST])
    return approver(user)


def approver(user: User) -> Approver:
    """A user whose connection speaks.  A key of a kind that signs nothing here has no fingerprint: zeros."""
    return Approver(user, user.key_digest or bytes(32), b"")


def signers(deployment: Deployment, digest: bytes, signatures: Sequence[DetachedSignature]) -> tuple[Approver, ...]:
    """The users who signed a document with this SHA-256.  Raises ApprovalRefused, NotPermitted."""
    return tuple(_signer(deployment.manifest, digest, signature) for signature in signatures)


def check_signable(deployment: Deployment, manifest: Manifest, *, now: datetime) -> None:
    """Whether detached signatures may speak for this document.  Raises ApprovalRefused.

    A signature says nothing of when and for what it was made.  So the document must name the manifest that it replaces,
    and must never have been in force or in question before: else an old signature could be shown again.
    """
    if manifest.update.replaces != deployment.manifest.digest:
        raise ApprovalRefused(
            "detached signatures count only for a document that says what it replaces: expected Update.Replaces "
            f"{deployment.manifest.fingerprint}, got {manifest.update.replaces.hex() or 'none'}"
        )
    if manifest.digest in used_up(deployment, now):
        raise ApprovalRefused(
            f"signatures of {manifest.fingerprint} are used up: this very document was in force or in question before; "
            "change it (a comment is enough) and sign it again, or let each user approve by a connection"
        )


def used_up(deployment: Deployment, now: datetime) -> frozenset[bytes]:
    """Digests of all documents that were accepted or withdrawn, or whose time is over."""
    accepted = (parse_entry(version.entry).digest for version in deployment.history.versions)
    pending = deployment.pending
    over = () if pending is None or pending.expires > now else (pending.manifest.digest,)
    return frozenset((*accepted, *deployment.withdrawn, *over))


def milliseconds(moment: datetime) -> int:
    """Since 1970, UTC."""
    return round(moment.timestamp() * 1000)


def signing_user(users: Iterable[User], subject: Subject, digest: bytes, signature: DetachedSignature) -> User:
    """The first of these users who signed the document of this kind with this SHA-256, whatever the user may do.

    Raises ApprovalRefused.
    """
    if signature.subject is not subject:
        raise ApprovalRefused(f"expected a signature of format {subject.format}, got {signature.subject.format}")
    for user in users:
        if user.key_digest != signature.key or (key := key_of(user)) is None:
            continue
        if signature.document != digest:
            raise ApprovalRefused(
                f"signature of user '{user.name}': expected one of {digest.hex()}, "
                f"got one of {signature.document.hex()}"
            )
        try:
            signature.verify(key)
        except SignatureWrong as cause:
            raise ApprovalRefused(f"signature of user '{user.name}': {cause}") from cause
        return user
    raise ApprovalRefused(f"signature of key {signature.key.hex()}: no user of the manifest has this key")


def _signer(manifest: Manifest, digest: bytes, signature: DetachedSignature) -> Approver:
    """Of two users with one key it is the one who may: who signed could connect as either."""
    users = manifest.users.values()
    user = signing_user((*updaters(users), *users), Subject.MANIFEST, digest, signature)
    require(user, Action.UPDATE_MANIFEST, [WHOLE_MANIFEST])
    return Approver(user, signature.key, signature.signature)
