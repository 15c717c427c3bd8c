"""A fresh secret, split among its owners."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from coordinator.recovery.owner_key import OwnerKey, encode_owner_key, seal_for
from coordinator.recovery.plan import Owner, Plan
from coordinator.recovery.rehearsal import rehearsal_verifier
from coordinator.recovery.scheme import SECRET_BYTES, split


@dataclass(frozen=True, slots=True)
class Prepared:
    """A fresh secret in its owners' hands.  secret: 32 bytes, wraps the journal's data key.

    envelopes: the encrypted shares, by owner.  verifiers: what a rehearsal's proof is checked with, by owner.
    """

    secret: bytes = field(repr=False)
    plan: Plan
    envelopes: Mapping[str, bytes]
    verifiers: Mapping[str, bytes] = field(repr=False)


def prepare(keys: Mapping[str, OwnerKey], threshold: int, entropy: Callable[[int], bytes]) -> Prepared:
    """Split a fresh secret among owners.  threshold: `Config.RecoveryThreshold`; 0 is all of them."""
    secret = entropy(SECRET_BYTES)
    needed = threshold or len(keys)
    shares = dict(zip(keys, split(secret, len(keys), needed, entropy), strict=True))
    owners = tuple(Owner(n, encode_owner_key(keys[n]), hashlib.sha256(s).digest()) for n, s in shares.items())
    return Prepared(
        secret,
        Plan(needed, owners),
        {name: seal_for(keys[name], share) for name, share in shares.items()},
        {name: rehearsal_verifier(share) for name, share in shares.items()},
    )
