"""A marble raises, or reads, one of its monotonic counters (contract 1.13)."""

import uuid as uuids
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from coordinator.decisions.decision import Decision, admit
from coordinator.decisions.errors import CounterRefused, UnknownMarbleCertificate
from coordinator.decisions.gates import through_gate
from coordinator.manifest.model import FeatureGate
from coordinator.state.counters import LONGEST_NAME, MOST, counter_key
from coordinator.state.events import CounterRaised, Event
from coordinator.state.model import State
from coordinator.state.phase import Ask
from pki.certificates import CertificateFormatError, load_der
from pki.chains import ChainInvalid, verify_path
from pki.oids import MARBLE_TYPE

_LARGEST: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class MarbleName:
    """Whose counters: a marble type, and the UUID of one marble of it (canonical)."""

    type: str
    uuid: str


NOBODY: Final = MarbleName("", "")
"""Who calls a route that is not for marbles."""


def find_marble_name(state: State, leaf: bytes, *, now: datetime) -> MarbleName:
    """The marble that has this certificate (DER), whose key the connection proved.

    Only the leaf counts: it must be signed by a marble root that is trusted, valid now, and fit for a server.
    Raises UnknownMarbleCertificate.
    """
    try:
        certificate = load_der(leaf)
        roots = (retired.marble_root for retired in state.authority.overlapping(now))
        verify_path(certificate, (), (state.authority.marble_root, *roots), now=now)
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        marble_type = certificate.extensions.get_extension_for_oid(MARBLE_TYPE).value
        (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        text = name.value if isinstance(name.value, str) else name.value.decode()
        uuid = str(uuids.UUID(text))
    except (CertificateFormatError, ChainInvalid, x509.ExtensionNotFound, ValueError) as cause:
        raise UnknownMarbleCertificate(f"the client certificate is not one of a marble: {cause}") from cause
    if not isinstance(marble_type, x509.UnrecognizedExtension) or ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        raise UnknownMarbleCertificate("the client certificate is not one of a marble: it is not for a server")
    return MarbleName(marble_type.value.decode(), uuid)


def raise_counter(state: State, marble: MarbleName, name: str, value: int, *, now: datetime) -> Decision[int]:
    """Raise the counter to `value` if it is lower; the reply is its value before.  A new counter begins at 0.

    Raises WrongPhase, GateClosed, CounterRefused.
    """
    admit(state, Ask.RAISE_COUNTER)
    counters = through_gate(state, FeatureGate.MONOTONIC_COUNTER).counters
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        raise CounterRefused(f"name of a counter: expected at most {LONGEST_NAME} bytes, got {len(name)} characters")
    if not 0 <= value <= _LARGEST:
        raise CounterRefused(f"counter: expected a value from 0 to {_LARGEST}, got {value}")
    key = counter_key(marble.type, marble.uuid, name)
    before = counters.get(key, 0)
    if value <= before:
        return Decision((), before)
    if key not in counters and len(counters) >= MOST:
        raise CounterRefused(f"this deployment has {MOST} counters already, and keeps no more")
    events: tuple[Event, ...] = (CounterRaised(int(now.timestamp() * 1000), marble.type, marble.uuid, name, value),)
    return Decision(events, before)
