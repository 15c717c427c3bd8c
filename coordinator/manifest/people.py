"""Users, roles and recovery keys: checked whole, then refused, since this version does not act on them.

Rules: contract, 3.4, 3.5 and 3.7.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from coordinator.manifest.document import Place, ScalarNode, step
from coordinator.manifest.model import Secret
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View


def check_users(reading: Reading, manifest: View) -> None:
    """Certificates, and roles that exist."""
    roles = [member.key for member in manifest.members("Roles")]
    texts: dict[str, str] = {}
    for member in manifest.members("Users"):
        view = View(member.node, member.place)
        text = view.text("Certificate")
        if not text and not reading.is_refused(step(member.place.pointer, "Certificate")):
            reading.refuse("E011", member.place, f'user "{member.key}" has no Certificate', "add it in PEM")
        elif not text:
            continue
        elif text in texts:
            message = f'users "{texts[text]}" and "{member.key}" have the same certificate'
            reading.refuse("E026", view.place("Certificate"), message, "give each user one of their own")
        else:
            texts[text] = member.key
            _check_certificate(reading, member.key, text, view.place("Certificate"))
        for item, role in zip(view.items("Roles"), view.texts("Roles"), strict=True):
            check_name(reading, item.place, f'user "{member.key}" has role', role, roles, "roles")
    for section in ("Users", "Roles"):
        if manifest.members(section):
            message = f"{section} come with a later version of Enclasp"
            reading.refuse("E090", _key(manifest, section), message, f"leave {section} out for now")


def check_roles(reading: Reading, manifest: View, packages: Iterable[str], secrets: Mapping[str, Secret]) -> None:
    """Resources that exist, and actions that fit them."""
    resources = {"Packages": list(packages), "Secrets": list(secrets)}
    for member in manifest.members("Roles"):
        view = View(member.node, member.place)
        kind = view.text("ResourceType")
        if kind not in _ACTIONS:
            continue
        for item, action in zip(view.items("Actions"), view.texts("Actions"), strict=True):
            if action.lower() not in _ACTIONS[kind]:
                hint = "allowed: " + ", ".join(_ACTIONS[kind].values())
                reading.refuse("E026", item.place, f'role "{member.key}": {action} does not fit {kind}', hint)
        if kind == "Manifest":
            if view.items("ResourceNames"):
                message = f'role "{member.key}": Manifest takes no ResourceNames'
                reading.refuse("E026", _key(view, "ResourceNames"), message, "remove them")
            continue
        actions = {action.lower() for action in view.texts("Actions")}
        for item, name in zip(view.items("ResourceNames"), view.texts("ResourceNames"), strict=True):
            if not check_name(reading, item.place, f'role "{member.key}" names', name, resources[kind], kind.lower()):
                continue
            if kind == "Secrets":
                _check_permission(reading, item.place, member.key, secrets[name], actions)


def _check_permission(reading: Reading, place: Place, role: str, secret: Secret, actions: set[str]) -> None:
    if "writesecret" in actions and not secret.user_defined:
        message = f'role "{role}" may write secret "{secret.name}", which is generated'
        reading.refuse("E026", place, message, "only user-defined secrets can be written")
    if "readsecret" in actions and not secret.shared and not secret.user_defined:
        message = f'role "{role}" may read secret "{secret.name}", which each marble has for itself'
        reading.refuse("E026", place, message, "only shared and user-defined secrets can be read")


def check_recovery(reading: Reading, manifest: View) -> None:
    """RSA keys in PEM, and a threshold that they can meet."""
    keys = manifest.members("RecoveryKeys")
    for member in keys:
        text = member.node.value if isinstance(member.node, ScalarNode) else ""
        _check_recovery_key(reading, member.key, str(text), member.node.place)
    config = manifest.view("Config")
    threshold = config.number("RecoveryThreshold") or 0
    place = config.place("RecoveryThreshold")
    if threshold == 1 or threshold > len(keys):
        message = f"RecoveryThreshold {threshold} does not fit {len(keys)} recovery keys"
        reading.refuse("E027", place, message, "0 for all, or from 2 to the number of keys")
    elif len(keys) > 255 and 0 < threshold < len(keys):
        reading.refuse("E027", place, f"a threshold allows at most 255 keys, got {len(keys)}", "use fewer keys")
    if keys:
        message = "RecoveryKeys come with a later version of Enclasp"
        reading.refuse("E091", _key(manifest, "RecoveryKeys"), message, "leave them out for now")


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


def _check_certificate(reading: Reading, user: str, text: str, place: Place) -> None:
    block = _PEM.search(text)
    try:
        if not block or block.group(1) != "CERTIFICATE":
            raise ValueError("no certificate")
        x509.load_pem_x509_certificate(block.group().encode())
    except ValueError:
        message = f'user "{user}": Certificate is no X.509 certificate in PEM'
        reading.refuse("E026", place, message, "it starts with -----BEGIN CERTIFICATE-----")


def _check_recovery_key(reading: Reading, name: str, text: str, place: Place) -> None:
    block = _PEM.search(text)
    if not block or block.group(1) != "PUBLIC KEY":
        got = block.group(1) if block else "no PEM"
        message = f'recovery key "{name}": expected PEM of type PUBLIC KEY, got {got}'
        reading.refuse("E026", place, message, "openssl rsa -pubout writes the right form")
        return
    try:
        is_rsa = isinstance(load_pem_public_key(block.group().encode()), RSAPublicKey)
    except (ValueError, UnsupportedAlgorithm):
        is_rsa = False
    if not is_rsa:
        reading.refuse(
            "E026", place, f'recovery key "{name}" is no RSA key', "recovery keys are RSA, 3072 bits or more"
        )


def _key(view: View, field: str) -> Place:
    return view.view(field).owner


_SECTIONS: Final = {"packages": "/Packages", "secrets": "/Secrets", "roles": "/Roles", "TLS tags": "/TLS"}
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_ACTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Packages": {"updatesecurityversion": "UpdateSecurityVersion"},
    "Secrets": {"readsecret": "ReadSecret", "writesecret": "WriteSecret"},
    "Manifest": {"updatemanifest": "UpdateManifest"},
}
