"""Nonces for joins, without memory of who asked: each says until when it holds, and for which certificate.

A nonce is 8 bytes of time (milliseconds since 1970, big endian) and HMAC-SHA256 under a key that this process made.
So a stranger can make us remember nothing; that Evidence is used once only is told by its digest (`EvidenceReused`).
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

from coordinator.decisions.errors import NotFresh

LIFETIME: Final = timedelta(seconds=60)
KEY_BYTES: Final = 32
_TIME_BYTES: Final = 8
_NONCE_BYTES: Final = _TIME_BYTES + hashlib.sha256().digest_size
_LABEL: Final = b"enclasp nonce v1"


def make_nonce(key: bytes, certificate: bytes, now: datetime) -> bytes:
    """40 bytes.  certificate: the leaf that the connection proved, DER."""
    until = _milliseconds(now + LIFETIME).to_bytes(_TIME_BYTES, "big")
    return until + _seal(key, until, certificate)


def check_nonce(key: bytes, certificate: bytes, nonce: bytes, now: datetime) -> None:
    """Raises NotFresh for one that was not made with this key, for this certificate, within the last minute."""
    if len(nonce) != _NONCE_BYTES:
        raise NotFresh(f"nonce: expected {_NONCE_BYTES} bytes as Challenge gives them, got {len(nonce)}")
    until = nonce[:_TIME_BYTES]
    if not hmac.compare_digest(nonce[_TIME_BYTES:], _seal(key, until, certificate)):
        raise NotFresh("nonce: expected one of this coordinator for the connection's certificate, got another one")
    late = _milliseconds(now) - int.from_bytes(until, "big")
    if late > 0:
        raise NotFresh(f"nonce: expected one of the last {LIFETIME.seconds} s, this one ended {late} ms ago")


def _seal(key: bytes, until: bytes, certificate: bytes) -> bytes:
    return hmac.digest(key, _LABEL + until + hashlib.sha256(certificate).digest(), "sha256")


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
