"""How long may a bundle of endorsements still be used?  Its parts with the dates that they bear, and a word for each.

Nothing here is verified: it is for whoever keeps bundles fresh.  The Verifier compares the same dates once more.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509

from attestation.anchors import MALFORMED, common_name
from attestation.endorsements import DcapCollateral, Endorsements
from attestation.errors import EndorsementFormatError
from attestation.kinds import Kind
from attestation.sev_snp.certificate import load_certificates, load_crl
from attestation.sev_snp.endorsements import SevSnpEndorsements

WARN_BEFORE: Final = timedelta(days=7)
"""Intel's documents live 30 days; a week is enough for people who do not work at weekends."""


class State(StrEnum):
    """Of a part of a bundle at some time."""

    CURRENT = "current"
    ENDING = "ending"
    STALE = "stale"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Part:
    """One dated thing in a bundle.  platform: what it is about, in words.  Dates are None where they cannot be read."""

    kind: Kind
    platform: str
    name: str
    issued: datetime | None
    next_update: datetime | None

    def state(self, now: datetime, warn_before: timedelta = WARN_BEFORE) -> State:
        """The state at this time; `ending` begins `warn_before` the next update."""
        if self.next_update is None:
            return State.UNREADABLE
        if now > self.next_update:
            return State.STALE
        return State.ENDING if self.next_update - now <= warn_before else State.CURRENT

    def sentence(self, now: datetime, warn_before: timedelta = WARN_BEFORE) -> str:
        """For people: how old it is, and how long it may be used."""
        if self.next_update is None:
            return f"{self.name}: its dates cannot be read"
        age = "" if self.issued is None else f"{words(now - self.issued)} old, "
        date = f"{self.next_update.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        state = self.state(now, warn_before)
        if state is State.STALE:
            return f"{self.name}: EXPIRED: {age}its next update was due {words(now - self.next_update)} ago ({date})"
        warning = "ENDS SOON: " if state is State.ENDING else ""
        return f"{self.name}: {warning}{age}good for {words(self.next_update - now)} more ({date})"


def parts_of(endorsements: Endorsements) -> tuple[Part, ...]:
    """Every dated part of a bundle: documents, revocation lists, AMD's certificates.  Raises EndorsementFormatError."""
    parts = [part for collateral in endorsements.dcap for part in _of_dcap(collateral)]
    section = list(endorsements.sections.get(Kind.SEV_SNP, ()))
    return (*parts, *_of_sev_snp(SevSnpEndorsements.from_json(section)))


def gravest(parts: Iterable[Part], now: datetime, warn_before: timedelta = WARN_BEFORE) -> State:
    """The worst state among these parts; `current` where there are none."""
    order = list(State)
    return max((part.state(now, warn_before) for part in parts), key=order.index, default=State.CURRENT)


def words(span: timedelta) -> str:
    """A length of time for people: days, below two of them hours, below two of those minutes."""
    seconds = max(0, int(span.total_seconds()))
    for size, name in ((86400, "days"), (3600, "hours")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds // 60} minutes"


def _of_dcap(collateral: DcapCollateral) -> Iterator[Part]:
    platform = f"FMSPC {collateral.fmspc}, {collateral.ca or 'unknown CA'}"
    for name, raw in (("TCB info", collateral.tcb_info), ("QE identity", collateral.qe_identity)):
        yield Part(collateral.kind, platform, name, _date(raw, "issueDate"), _date(raw, "nextUpdate"))
    for name, raw in (("PCK CRL", collateral.pck_crl), ("root CRL", collateral.root_ca_crl)):
        try:
            crl = load_crl(raw, name)
        except EndorsementFormatError:
            yield Part(collateral.kind, platform, name, None, None)
            continue
        yield _of_crl(collateral.kind, platform, name, crl)


def _of_sev_snp(endorsements: SevSnpEndorsements) -> Iterator[Part]:
    for raw in endorsements.certificates:
        for certificate in load_certificates(raw, "certificate"):
            name = common_name(certificate.subject)
            start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            yield Part(Kind.SEV_SNP, common_name(certificate.issuer), f"certificate {name}", start, end)
    for raw in endorsements.crls:
        crl = load_crl(raw, "CRL")
        yield _of_crl(Kind.SEV_SNP, common_name(crl.issuer), "CRL", crl)


def _of_crl(kind: Kind, platform: str, name: str, crl: x509.CertificateRevocationList) -> Part:
    return Part(kind, platform, name, crl.last_update_utc, crl.next_update_utc)


def _date(raw: bytes, name: str) -> datetime | None:
    """A date of one of Intel's JSON documents."""
    try:
        moment = datetime.fromisoformat(json.loads(raw)[name])
    except (*MALFORMED, KeyError, RecursionError):
        return None
    return moment if moment.tzinfo is not None else None
