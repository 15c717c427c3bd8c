"""Secrets: what can be made, and what cannot (contract, 3.6)."""

from collections.abc import Mapping
from typing import Final

from coordinator.manifest.certificate import read_certificate
from coordinator.manifest.document import Member, step
from coordinator.manifest.model import CertificateTemplate, Secret, SecretType
from coordinator.manifest.password import read_password
from coordinator.manifest.read_approval import read_approval
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View


def read_secrets(reading: Reading, members: tuple[Member, ...]) -> Mapping[str, Secret]:
    """Every secret; where a definition does not hold there is a finding."""
    secrets = {member.key: _secret(reading, member.key, View(member.node, member.place)) for member in members}
    total = sum(secret.size for secret in secrets.values() if secret.type is SecretType.SYMMETRIC_KEY)
    if total > MAX_TOTAL:
        message = f"all symmetric keys together have {total} bits, more than {MAX_TOTAL}"
        reading.refuse("E024", members[0].place, message, "Size is in bits; keys rarely need more than 256")
    return secrets


def _secret(reading: Reading, name: str, view: View) -> Secret:
    if not view.text("Type"):
        return Secret(name, SecretType.SYMMETRIC_KEY, 0, False, False, 0)
    kind = SecretType(view.text("Type"))
    size = view.number("Size") or 0
    shared, user_defined = view.flag("Shared"), view.flag("UserDefined")
    if user_defined:
        _refuse_values(reading, name, view)
    elif kind is SecretType.PLAIN:
        message = f'secret "{name}" of type plain cannot be generated'
        reading.refuse("E024", view.place("Type"), message, "add UserDefined: true, or use symmetric-key")
    for key in ("Private", "Public"):
        if view.has(key) and not user_defined:
            message = f'secret "{name}": {key} in a manifest is readable by everybody who may read the manifest'
            reading.remark("E024", view.place(key), message, "remove it; the value is generated")
            reading.hide_line()
    is_judged = not user_defined and not reading.is_refused(step(view.owner.pointer, "Size"))
    problem = _size_problem(kind, size, shared) if is_judged else None
    if problem:
        reading.refuse("E024", view.place("Size"), f'secret "{name}": {problem[0]}', problem[1])
    if kind is SecretType.CERT_RSA and 1024 <= size < 2048:
        reading.warn("E029", view.place("Size"), f'secret "{name}": {size}-bit RSA is weak', "use 3072, or cert-ecdsa")
    certificate = CertificateTemplate()
    if view.has("Cert"):
        certificate = read_certificate(reading, view, kind)
    valid_days = view.number("ValidFor") or 0
    if valid_days and certificate.not_after:
        message = f'secret "{name}" has both ValidFor and Cert.NotAfter'
        reading.refuse("E024", view.place("ValidFor"), message, "keep one of them")
    if kind.is_certificate and not user_defined:
        valid_days = valid_days or DEFAULT_DAYS
    return Secret(
        name,
        kind,
        size,
        shared,
        user_defined,
        valid_days,
        certificate,
        rotate=_rotates(reading, name, view, kind),
        password=read_password(reading, name, view, kind),
        read_approval=read_approval(reading, name, view, readable=shared or user_defined),
    )


def _rotates(reading: Reading, name: str, view: View, kind: SecretType) -> bool:
    """Whether every update makes the value anew; a finding where that cannot be chosen."""
    wanted = view.text("OnUpdate")
    problem = None
    if wanted and view.flag("UserDefined"):
        problem = ("is set by a user, and so not changed by an update", "remove OnUpdate; the user sets a new value")
    elif wanted == "Keep" and kind.is_certificate:
        problem = ("is a certificate, which every update makes anew, since its issuer is", "remove OnUpdate")
    elif wanted == "Rotate" and not view.flag("Shared") and not kind.is_certificate:
        hint = "make it Shared; Config.RotateRootSecret makes all keys of marbles anew"
        problem = ("is derived for each marble from one root, so it cannot change alone", hint)
    if problem:
        reading.refuse("E071", view.place("OnUpdate"), f'secret "{name}" {problem[0]}', problem[1])
    return wanted == "Rotate"


def _refuse_values(reading: Reading, name: str, view: View) -> None:
    """A value in the manifest would be a secret that everybody may read."""
    for key in ("Private", "Public", "Cert"):
        if view.text(key) or view.items(key):
            message = f'secret "{name}" is set by a user, so its {key} cannot stand in the manifest'
            reading.refuse("E092", view.place(key), message, f"remove it; `enclasp secret set` sets {name}")
            reading.hide_line()


def _size_problem(kind: SecretType, size: int, shared: bool) -> tuple[str, str] | None:
    match kind:
        case SecretType.SYMMETRIC_KEY if size == 0 or size % 8:
            return f"a key of {size} bits cannot be made", "Size is in bits, a multiple of 8, such as 256"
        case SecretType.SYMMETRIC_KEY if not shared and size > MAX_DERIVED:
            return f"{size} bits are more than a derived key can have ({MAX_DERIVED})", "make it Shared, or smaller"
        case SecretType.CERT_RSA if not 1024 <= size <= MAX_RSA:
            return f"RSA keys have 1024 to {MAX_RSA} bits, got {size}", "use 3072"
        case SecretType.CERT_ECDSA if size not in (224, 256, 384, 521):
            return f"ECDSA keys have 224, 256, 384 or 521 bits, got {size}", "use 256"
        case SecretType.CERT_ED25519 if size:
            return f"Ed25519 keys have no size, got {size}", "remove Size"
    return None


DEFAULT_DAYS: Final = 365
# HKDF-SHA256 gives at most 255 blocks of 32 bytes (RFC 5869, 2.3).
MAX_DERIVED: Final = 255 * 32 * 8
# 64 MiB of keys.
MAX_TOTAL: Final = 1 << 29
# Larger keys take minutes to make.
MAX_RSA: Final = 8192
