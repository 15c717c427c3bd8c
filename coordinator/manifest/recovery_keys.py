"""Who can recover the Coordinator's state: public keys by name, and how many owners it takes (contract 3.7)."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from coordinator.manifest.document import Member, Place, ScalarNode
from coordinator.manifest.reading import Reading
from coordinator.manifest.view import View
from coordinator.recovery.errors import OwnerKeyInvalid
from coordinator.recovery.owner_key import OwnerKey, encode_owner_key, parse_owner_key
from coordinator.recovery.plan import MOST_WITH_THRESHOLD


def read_recovery_keys(reading: Reading, manifest: View) -> Mapping[str, OwnerKey]:
    """Every key, in the order of the text; the threshold is checked with them."""
    members = manifest.members("RecoveryKeys")
    _check_threshold(reading, manifest.view("Config"), members)
    if members and manifest.view("Config").text("SealMode") == "Disabled":
        message = "recovery keys recover nothing: with SealMode Disabled the state lives in memory only"
        reading.warn("E029", manifest.view("RecoveryKeys").owner, message, "remove them, or choose another SealMode")
    keys: dict[str, OwnerKey] = {}
    names: dict[bytes, str] = {}
    for member in members:
        key = _read_key(reading, member)
        if key is None:
            continue
        keys[member.key] = key
        first = names.setdefault(encode_owner_key(key), member.key)
        if first != member.key:
            message = f'recovery keys "{first}" and "{member.key}" are one key: its owner counts twice'
            reading.remark("E026", member.node.place, message, "give each owner a key of their own")
    return keys


def _check_threshold(reading: Reading, config: View, keys: Sequence[Member]) -> None:
    threshold = config.number("RecoveryThreshold") or 0
    place = config.place("RecoveryThreshold")
    if threshold == 1 or threshold > len(keys):
        message = f"RecoveryThreshold {threshold} does not fit {len(keys)} recovery keys"
        reading.refuse("E027", place, message, "0 for all, or from 2 to the number of keys")
    elif len(keys) > MOST_WITH_THRESHOLD and 0 < threshold < len(keys):
        message = f"a threshold allows at most {MOST_WITH_THRESHOLD} keys, got {len(keys)}"
        reading.refuse("E027", place, message, "use fewer keys")


def _read_key(reading: Reading, member: Member) -> OwnerKey | None:
    text = str(member.node.value) if isinstance(member.node, ScalarNode) else ""
    name, place = member.key, member.node.place
    block = _PEM.search(text)
    if not block or block.group(1) != "PUBLIC KEY":
        got = block.group(1) if block else "no PEM"
        message = f'recovery key "{name}": expected PEM of type PUBLIC KEY, got {got}'
        reading.refuse("E026", place, message, "openssl pkey -pubout writes the right form")
        return None
    try:
        key = parse_owner_key(block.group().encode())
    except OwnerKeyInvalid as cause:
        reading.refuse("E026", place, f'recovery key "{name}": {cause}', cause.hint)
        return None
    return key if _strong_enough(reading, name, key, place) else None


def _strong_enough(reading: Reading, name: str, key: OwnerKey, place: Place) -> bool:
    if not isinstance(key, RSAPublicKey):
        if reading.compatible:
            message = f'recovery key "{name}" is no RSA key, and MarbleRun takes no other'
            reading.refuse("E026", place, message, "use an RSA key, or leave the compatible mode")
        return not reading.compatible
    if key.key_size < _FEWEST_BITS:
        message = f'recovery key "{name}" has {key.key_size} bits: who factors it has the share'
        reading.remark("E026", place, message, f"use {_FEWEST_BITS} bits or more, 3072 for many years")
    return True


_FEWEST_BITS: Final = 2048
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
