"""Who may do what: users and roles.  Rules: contract, 3.4 and 3.5."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from coordinator.manifest.document import Place, step
from coordinator.manifest.model import WHOLE_MANIFEST, Action, Role, Secret, User
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View
from pki.certificates import CertificateFormatError, load_der
from pki.keys import KeyFormatError, fingerprint, public_of_known_kind
from pki.malformed import MALFORMED


def read_roles(
    reading: Reading, manifest: View, packages: Iterable[str], secrets: Mapping[str, Secret]
) -> Mapping[str, Role]:
    """Every role, with resources that exist and actions that fit them."""
    resources = {"Packages": frozenset(packages), "Secrets": frozenset(secrets)}
    roles = {}
    for member in manifest.members("Roles"):
        view = View(member.node, member.place)
        kind = view.text("ResourceType")
        if kind in _ACTIONS:
            actions = _read_actions(reading, member.key, view, kind)
            _check_resources(reading, member.key, view, resources.get(kind, frozenset()), secrets, actions)
            named = (WHOLE_MANIFEST,) if kind == "Manifest" else view.texts("ResourceNames")
            roles[member.key] = Role(member.key, actions, frozenset(named))
    return roles


def read_users(reading: Reading, manifest: View, roles: Mapping[str, Role]) -> Mapping[str, User]:
    """Every user, with a certificate of their own and roles that exist."""
    defined = [member.key for member in manifest.members("Roles")]
    texts: dict[str, str] = {}
    owners: dict[bytes, str] = {}
    keys: dict[bytes, str] = {}
    users = {}
    for member in manifest.members("Users"):
        view = View(member.node, member.place)
        for item, role in zip(view.items("Roles"), view.texts("Roles"), strict=True):
            check_name(reading, item.place, f'user "{member.key}" has role', role, defined, "roles")
        text = view.text("Certificate")
        if not text:
            if not reading.is_refused(step(member.place.pointer, "Certificate")):
                reading.refuse("E011", member.place, f'user "{member.key}" has no Certificate', "add it in PEM")
            continue
        place = view.place("Certificate")
        if text in texts:
            message = f'users "{texts[text]}" and "{member.key}" have the same certificate'
            reading.refuse("E026", place, message, "give each user one of their own")
            continue
        texts[text] = member.key
        certificate = _read_certificate(reading, member.key, text, place)
        if certificate is None:
            continue
        first = owners.setdefault(certificate, member.key)
        if first != member.key:
            message = f'users "{first}" and "{member.key}" have the same certificate in other whitespace'
            reading.warn("E029", place, message, f'who shows it is "{first}", always; give each user one of their own')
        digest = _key_digest(certificate)
        if digest and first == member.key and (known := keys.setdefault(digest, member.key)) != member.key:
            message = f'users "{known}" and "{member.key}" have certificates of the same key'
            hint = "they count as one person where several must approve; give each a key of their own"
            reading.warn("E029", place, message, hint)
        held = tuple(roles[name] for name in dict.fromkeys(view.texts("Roles")) if name in roles)
        users[member.key] = User(member.key, certificate, held, digest)
    return users


def _read_actions(reading: Reading, role: str, view: View, kind: str) -> frozenset[Action]:
    actions = set()
    for item, text in zip(view.items("Actions"), view.texts("Actions"), strict=True):
        action = _ACTIONS[kind].get(text.lower())
        if action is None:
            hint = "allowed: " + ", ".join(_ACTIONS[kind].values())
            reading.refuse("E026", item.place, f'role "{role}": {text} does not fit {kind}', hint)
            continue
        actions.add(action)
    return frozenset(actions)


def _check_resources(
    reading: Reading,
    role: str,
    view: View,
    defined: frozenset[str],
    secrets: Mapping[str, Secret],
    actions: frozenset[Action],
) -> None:
    kind = view.text("ResourceType")
    if kind == "Manifest":
        if view.items("ResourceNames"):
            message = f'role "{role}": Manifest takes no ResourceNames'
            reading.refuse("E026", view.view("ResourceNames").owner, message, "remove them")
        return
    for item, name in zip(view.items("ResourceNames"), view.texts("ResourceNames"), strict=True):
        known = check_name(reading, item.place, f'role "{role}" names', name, sorted(defined), kind.lower())
        if known and kind == "Secrets":
            _check_permission(reading, item.place, role, secrets[name], actions)


def _check_permission(reading: Reading, place: Place, role: str, secret: Secret, actions: frozenset[Action]) -> None:
    if Action.WRITE_SECRET in actions and not secret.user_defined:
        message = f'role "{role}" may write secret "{secret.name}", which is generated'
        reading.refuse("E026", place, message, "only user-defined secrets can be written")
    if Action.READ_SECRET in actions and not secret.shared and not secret.user_defined:
        message = f'role "{role}" may read secret "{secret.name}", which each marble has for itself'
        reading.refuse("E026", place, message, "only shared and user-defined secrets can be read")
    unread = reading.is_refused(step("/Secrets", secret.name), below=True)
    if Action.APPROVE_READ in actions and secret.read_approval is None and not unread:
        message = f'role "{role}" may approve the reading of secret "{secret.name}", which needs no approval'
        reading.refuse("V313", place, message, f"give {secret.name} a ReadApproval, or leave it out of the role")


def check_name(reading: Reading, place: Place, who: str, name: str, defined: Iterable[str], what: str) -> bool:
    """Whether a name is defined; if not, a finding with the nearest one."""
    known = list(defined)
    if name in known:
        return True
    section = _SECTIONS[what]
    if reading.is_refused(section) or reading.is_refused(step(section, name)):
        return False
    close = get_close_matches(name, known, 1)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "") if known else "none"
    reading.refuse("E020", place, f'{who} "{name}", which is not defined', f"{hint}defined {what}: {listed}")
    return False


def _key_digest(certificate: bytes) -> bytes:
    try:
        return fingerprint(public_of_known_kind(load_der(certificate).public_key()))
    except (CertificateFormatError, KeyFormatError, UnsupportedAlgorithm, ValueError):
        return b""


def _read_certificate(reading: Reading, user: str, text: str, place: Place) -> bytes | None:
    """DER of the first PEM block; what stands before and behind it does not count."""
    block = _PEM.search(text)
    try:
        if not block or block.group(1) != "CERTIFICATE":
            raise ValueError("no certificate")
        return x509.load_pem_x509_certificate(block.group().encode()).public_bytes(Encoding.DER)
    except MALFORMED:
        message = f'user "{user}": Certificate is no X.509 certificate in PEM'
        reading.refuse("E026", place, message, "it starts with -----BEGIN CERTIFICATE-----")
        return None


_SECTIONS: Final = {"packages": "/Packages", "secrets": "/Secrets", "roles": "/Roles", "TLS tags": "/TLS"}
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_ACTIONS: Final[Mapping[str, Mapping[str, Action]]] = {
    "Packages": {"updatesecurityversion": Action.UPDATE_SECURITY_VERSION},
    "Secrets": {
        "readsecret": Action.READ_SECRET,
        "approveread": Action.APPROVE_READ,
        "writesecret": Action.WRITE_SECRET,
    },
    "Manifest": {"updatemanifest": Action.UPDATE_MANIFEST},
}
