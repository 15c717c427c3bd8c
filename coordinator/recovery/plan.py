"""Who owns which share of the key of a state: the plan, as it stands in the journal and, in clear, beside it.

In clear it tells a Coordinator that waits for recovery whose shares to expect; it holds hashes of random shares, and
nothing secret.  Nothing of it is proven until the journal is open, which has the same bytes inside.
"""

import hashlib
from typing import Final

import msgspec

from coordinator.recovery.errors import OwnerKeyInvalid, PlanInvalid
from coordinator.recovery.owner_key import decode_owner_key

MOST_WITH_THRESHOLD: Final = 255
"""Owners, where not all of them are needed: a share holds its number in one byte (contract 3.7)."""


class Owner(msgspec.Struct, frozen=True):
    """name: in the manifest.  key: SubjectPublicKeyInfo, DER.  share: SHA-256 of the plain share."""

    name: str
    key: bytes
    share: bytes


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """needed: how many owners recover together."""

    needed: int
    owners: tuple[Owner, ...]

    def owner_of(self, share: bytes) -> Owner | None:
        """Whose plain share this is."""
        digest = hashlib.sha256(share).digest()
        return next((owner for owner in self.owners if owner.share == digest), None)


def encode_plan(plan: Plan) -> bytes:
    """A version byte, then MessagePack."""
    return _VERSION + msgspec.msgpack.encode(plan)


def decode_plan(raw: bytes) -> Plan:
    """Read what the host keeps.  Raises PlanInvalid."""
    if len(raw) > _MOST_BYTES or raw[:1] != _VERSION:
        raise PlanInvalid(f"recovery plan: expected version {_VERSION.hex()}, got {raw[:1].hex() or 'nothing'}")
    try:
        plan = msgspec.msgpack.decode(raw[1:], type=Plan)
        for owner in plan.owners:
            decode_owner_key(owner.key)
    except (ValueError, OwnerKeyInvalid) as cause:
        raise PlanInvalid(f"recovery plan: {cause}") from cause
    owners = len(plan.owners)
    least = 2 if owners > 1 else 1
    if not least <= plan.needed <= owners or (plan.needed < owners and owners > MOST_WITH_THRESHOLD):
        raise PlanInvalid(f"recovery plan: {plan.needed} of {owners} owners cannot be")
    if len({owner.share for owner in plan.owners}) != owners:
        raise PlanInvalid("recovery plan: two owners with one share")
    return plan


_VERSION: Final = b"\x01"
_MOST_BYTES: Final = 8 << 20
