"""The Coordinator verifies an SGX quote for somebody, and countersigns what it found (contract 1.13)."""

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.claims import TcbStatus
from attestation.verification import NotGenuine, Verification
from coordinator.decisions.decision import admit
from coordinator.decisions.errors import QuoteRefused
from coordinator.decisions.gates import through_gate
from coordinator.manifest.model import FeatureGate
from coordinator.state.model import State
from coordinator.state.phase import Ask


@dataclass(frozen=True, slots=True)
class Countersigned:
    """signature: ECDSA (ASN.1) of the root key over SHA-256(base64 of the quote as sent, then the status)."""

    tcb_status: str
    signature: bytes


def admit_sign_quote(state: State) -> None:
    """Raises GateClosed, WrongPhase."""
    through_gate(state, FeatureGate.SIGN_QUOTE)
    admit(state, Ask.SIGN_QUOTE)


def sign_quote(state: State, quote: bytes, verification: Verification, *, simulated_here: bool) -> Countersigned:
    """Countersign a quote of any TCB status that Intel has a word for.

    quote: as it was sent.  simulated_here: the Coordinator itself runs on simulated hardware; any other one does not
    put its name under evidence of simulated hardware.  Raises QuoteRefused, GateClosed, WrongPhase.
    """
    admit_sign_quote(state)
    try:
        attested = verification.attested()
    except NotGenuine as cause:
        raise QuoteRefused(f"the quote is not genuine: {cause}") from cause
    if attested.simulated and not simulated_here:
        raise QuoteRefused("the quote is of SIMULATED hardware, which proves nothing")
    status = attested.claims.tcb_status
    if status is None or status in (TcbStatus.NOT_SUPPORTED, TcbStatus.NOT_APPLICABLE):
        raise QuoteRefused(f"the quote's platform has no TCB status: {status.value if status else 'none'}")
    signed = base64.b64encode(quote) + status.value.encode()
    return Countersigned(status.value, state.authority.root_key.sign(signed, ec.ECDSA(hashes.SHA256())))
