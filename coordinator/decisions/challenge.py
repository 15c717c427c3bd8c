"""Nonces without memory of who asked: each says until when it holds, and for whom.

A nonce is 8 bytes of time (milliseconds since 1970, big endian) and the first 24 bytes of HMAC-SHA256 under a key that
this process made.  So a stranger can make us remember nothing, and cannot use up what others need.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

from coordinator.decisions.errors import NotFresh

LIFETIME: Final = timedelta(seconds=60)
KEY_BYTES: Final = 32
_TIME_BYTES: Final = 8
_SEAL_BYTES: Final = 24
_NONCE_BYTES: Final = _TIME_BYTES + _SEAL_BYTES
_LABEL: Final = b"enclasp nonce v1"


def make_nonce(key: bytes, holder: bytes, now: datetime) -> bytes:
    """32 bytes.  holder: whom it is for: the leaf that the connection proved, DER; empty for whoever asks."""
    until = _milliseconds(now + LIFETIME).to_bytes(_TIME_BYTES, "big")
    return until + _seal(key, until, holder)


def check_nonce(key: bytes, holder: bytes, nonce: bytes, now: datetime) -> None:
    """Raises NotFresh for one that was not made with this key, for this holder, within the last minute."""
    if len(nonce) != _NONCE_BYTES:
        raise NotFresh(f"nonce: expected {_NONCE_BYTES} bytes as Challenge gives them, got {len(nonce)}")
    until = nonce[:_TIME_BYTES]
    if not hmac.compare_digest(nonce[_TIME_BYTES:], _seal(key, until, holder)):
        raise NotFresh("nonce: expected one of this coordinator for the connection's certificate, got another one")
    late = _milliseconds(now) - int.from_bytes(until, "big")
    if late > 0:
        raise NotFresh(f"nonce: expected one of the last {LIFETIME.seconds} s, this one ended {late} ms ago")


def _seal(key: bytes, until: bytes, holder: bytes) -> bytes:
    return hmac.digest(key, _LABEL + until + hashlib.sha256(holder).digest(), "sha256")[:_SEAL_BYTES]


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
