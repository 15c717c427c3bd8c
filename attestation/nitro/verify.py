"""Did a Nitro enclave say it?  From a document's bytes to checks and Claims.

The steps, each with its own check: format; signature; certificates to a trust anchor; their dates; age; binding.
Source: AWS Nitro Enclaves NSM API, docs/attestation_process.md, 3.2.

The dates of the certificates are judged at the document's own time, since the enclave's certificate lives three hours
and the evidence in a root certificate must outlive it.  Two things stand for freshness: what the document is bound
to; and, where nobody named that, `now`, which must then lie in the life of the enclave's certificate.

Binding: report data is the document's `user_data`, where our issuer puts it.  The nonce never counts as report data:
whoever asks an enclave for a document chooses its nonce, so it could be the hash of a key that the enclave never saw.
Where the peer was asked with a nonce, it is a check of its own, and stands for freshness.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Final

from attestation import codes as common
from attestation.anchors import Anchor
from attestation.binding import REPORT_DATA_BYTES, Asked, Binding, Bound, Nonced, Unbound
from attestation.chain import Window
from attestation.checks import Check, Status, not_checked
from attestation.claims import Claims
from attestation.cose import is_signed_by
from attestation.errors import EvidenceFormatError
from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nitro.chain import Chain, verify_chain
from attestation.nitro.claims import claims_of
from attestation.nitro.codes import AGE, SIGNATURE
from attestation.nitro.endorsements import NitroEndorsements
from attestation.nitro.format import Document, parse_document
from attestation.nitro.steps import missing, settled
from attestation.verification import Verification

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_SPECIFICATION: Final = "NSM API attestation_process.md"
_CHAINS_KEPT: Final = 256


class NitroVerifier:
    """Verifies attestation documents; remembers certificate chains, at no time (bounded, thread-safe).

    A document of an enclave that is known costs one P-384 signature verification.
    """

    def __init__(self, anchors: tuple[Anchor, ...], endorsements: NitroEndorsements) -> None:
        """endorsements: always empty, as in every room the second argument."""
        self._chain: Callable[[bytes, tuple[bytes, ...]], Chain] = lru_cache(_CHAINS_KEPT)(
            partial(verify_chain, anchors=anchors)
        )

    def verify(self, evidence: Evidence, binding: Binding, *, now: datetime) -> Verification:
        """Every check of a document.  Never raises.  now: aware.

        `genuine` needs all of them, but the binding where it is Unbound, and the age where it is Bound.
        """
        return self.verify_asked(evidence, binding, now=now)

    def verify_asked(self, evidence: Evidence, binding: Asked, *, now: datetime) -> Verification:
        """The same; a Nonced binding is compared with the document's nonce, and its age need not be of now then."""
        try:
            document = parse_document(evidence.raw)
        except EvidenceFormatError as error:
            claims = Claims(Kind.NITRO, False, b"", {}, None, (), None, "")
            return Verification(evidence, claims, False, True, False, (_format_check(str(error)),))
        chain = self._chain(document.certificate, document.cabundle)
        checks = [_format_check(""), _signature_check(document, chain), *chain.checks]
        if chain.windows:
            checks += [
                _validity_check(document, chain.windows),
                _age_check(document, chain.windows[-1], binding, now),
            ]
        if isinstance(binding, Nonced):
            checks.append(_nonce_check(document, binding))
        checks.append(_binding_check(document, Unbound() if isinstance(binding, Nonced) else binding))
        needed = [check for check in checks if check.status is not Status.NOT_CHECKED]
        return Verification(
            evidence=evidence,
            claims=claims_of(document, now),
            genuine=all(check.status is Status.PASSED for check in needed),
            complete=True,
            simulated=chain.simulated,
            checks=tuple(checks),
        )


def _format_check(problem: str) -> Check:
    expected = "an attestation document: COSE_Sign1 by ES384 with every field of the specification"
    found = problem or "a whole document"
    return settled(not problem, "nitro.format", expected, found, f"{_SPECIFICATION}, 2.2 and 3.2.1", common.FORMAT)


def _signature_check(document: Document, chain: Chain) -> Check:
    """By the key of the enclave's certificate, whatever the other checks say of that certificate."""
    name, expected, source = "nitro.signature", "a signature by the enclave's certificate", f"{_SPECIFICATION}, 3.2.4"
    if chain.key is not None and is_signed_by(chain.key, document.envelope):
        return settled(True, name, expected, "it holds", source, SIGNATURE)
    found = "it does not hold" if chain.key is not None else "no certificate whose key could have made it"
    return settled(False, name, expected, found, source, SIGNATURE)


def _validity_check(document: Document, windows: tuple[Window, ...]) -> Check:
    wrong = next((window for window in windows if not window.holds(document.timestamp)), None)
    return settled(
        wrong is None,
        "nitro.validity",
        f"every certificate valid when the document was made, {_text(document.timestamp)}",
        str(wrong) if wrong else "all were valid",
        f"{_SPECIFICATION}, 3.2.3",
        common.VALIDITY,
    )


def _age_check(document: Document, leaf: Window, binding: Asked, now: datetime) -> Check:
    """Whether the document is of now: the only sign of freshness where nobody named what it must be bound to."""
    name, source = "nitro.age", f"{_SPECIFICATION}, 2.2 (timestamp), and the life of the enclave's certificate"
    expected = f"a document made before {_text(now)}, by a certificate that is still valid then"
    found = f"made at {_text(document.timestamp)}, by a certificate that is valid until {_text(leaf.not_after)}"
    if now > leaf.not_after and isinstance(binding, Bound | Nonced):
        hint = "the binding stands for freshness here; demand a maximal age if that is not enough"
        return not_checked(name, expected, found, source, hint, AGE)
    holds = document.timestamp - CLOCK_TOLERANCE <= now <= leaf.not_after
    return settled(holds, name, expected, found, source, AGE)


def _binding_check(document: Document, binding: Binding) -> Check:
    name = "binding.report-data"
    found = "no user data" if document.user_data is None else document.user_data.hex()
    if not isinstance(binding, Bound):
        expected = f"{REPORT_DATA_BYTES} bytes of user data that somebody names"
        return missing(name, expected, found, "nobody", common.NOT_BOUND)
    expected = f"user data {binding.report_data.hex()} ({binding.what})"
    holds = document.user_data == binding.report_data
    return settled(holds, name, expected, found, "the peer's binding", common.REPORT_DATA)


def _nonce_check(document: Document, binding: Nonced) -> Check:
    name, expected = "binding.nonce", f"nonce {binding.nonce.hex()}"
    found = "no nonce" if document.nonce is None else f"nonce {document.nonce.hex()}"
    holds = document.nonce == binding.nonce
    return settled(holds, name, expected, found, "the peer's nonce", common.REPORT_DATA)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
