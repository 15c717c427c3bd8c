"""Which marble shows this certificate?  What we gave a marble names its type and its UUID."""

import uuid as uuids
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from coordinator.decisions.errors import NotRenewable, UnknownMarbleCertificate
from coordinator.state.model import State
from pki.certificates import CsrData, load_der, names_of
from pki.chains import verify_path
from pki.malformed import MALFORMED
from pki.oids import MARBLE_TYPE


@dataclass(frozen=True, slots=True)
class MarbleName:
    """A marble type, and the UUID of one marble of it (canonical)."""

    type: str
    uuid: str


NOBODY: Final = MarbleName("", "")
"""Who calls a route that is not for marbles."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A marble that has a certificate of us, and what that says of it."""

    name: MarbleName
    names: CsrData


def find_marble_name(state: State, leaf: bytes, *, now: datetime) -> MarbleName:
    """The marble that has this certificate (DER), whose key the connection proved.

    Only the leaf counts: it must be signed by a marble root that is trusted, valid now, and fit for a server.
    Raises UnknownMarbleCertificate.
    """
    roots = (retired.marble_root for retired in state.authority.overlapping(now))
    try:
        return _marble(leaf, (state.authority.marble_root, *roots), now)[0]
    except _NotAMarbles as cause:
        raise UnknownMarbleCertificate(f"the client certificate is not one of a marble: {cause}") from cause


def find_bearer(state: State, leaf: bytes, intermediate: bytes, *, now: datetime) -> Bearer:
    """The marble that asks for another certificate.  leaf: the one that its connection proved, DER.

    intermediate: which signed that, DER.  Any that our root has ever signed will do: an update makes another one, and
    who has a certificate of before it is to get one of after it.  That our root signed it is known before its key is
    used: a stranger's may be one that takes long.
    Raises NotRenewable.
    """
    try:
        between = load_der(intermediate)
        verify_path(between, (), (state.authority.root,), now=now)
        name, certificate = _marble(leaf, (between,), now)
        return Bearer(name, names_of(certificate))
    except (*MALFORMED, _NotAMarbles) as cause:
        raise NotRenewable(f"expected a marble's certificate of this deployment that has not ended: {cause}") from cause


class _NotAMarbles(Exception):
    """Why a certificate is none of a marble."""


def _marble(leaf: bytes, anchors: Sequence[x509.Certificate], now: datetime) -> tuple[MarbleName, x509.Certificate]:
    try:
        certificate = load_der(leaf)
        verify_path(certificate, (), anchors, now=now)
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        extension = certificate.extensions.get_extension_for_oid(MARBLE_TYPE).value
        marble_type = extension.value.decode() if isinstance(extension, x509.UnrecognizedExtension) else ""
        (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        text = name.value if isinstance(name.value, str) else name.value.decode()
        uuid = str(uuids.UUID(text))
    except (*MALFORMED, x509.ExtensionNotFound) as cause:
        raise _NotAMarbles(str(cause)) from cause
    if not marble_type or ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        raise _NotAMarbles("it is not for a server")
    return MarbleName(marble_type, uuid), certificate
