"""What a manifest opens by its feature gates: countersigned quotes, and marbles' monotonic counters (contract 1.13)."""

from attestation.binding import Unbound
from attestation.errors import EvidenceFormatError
from attestation.evidence import recognise
from attestation.kinds import Kind
from coordinator.decisions.errors import QuoteRefused, UnknownMarbleCertificate
from coordinator.decisions.gates import through_gate
from coordinator.decisions.marble_name import MarbleName, find_marble_name
from coordinator.decisions.raise_counter import raise_counter
from coordinator.decisions.sign_quote import Countersigned, admit_sign_quote, sign_quote
from coordinator.desk import Desk
from coordinator.manifest.model import FeatureGate


class Features:
    """Requests behind feature gates."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def check_sign_quote(self) -> None:
        """Raises GateClosed, WrongPhase, NotServing."""
        self._desk.check_serving()
        admit_sign_quote(self._desk.state)

    def sign_quote(self, quote: bytes) -> Countersigned:
        """Verify and countersign an SGX quote, bare or with an Open Enclave header.

        Raises QuoteRefused, GateClosed, WrongPhase, NotServing.
        """
        desk = self._desk
        self.check_sign_quote()
        try:
            evidence = recognise(quote)
        except EvidenceFormatError as cause:
            raise QuoteRefused(str(cause)) from cause
        if evidence.kind is not Kind.SGX:
            raise QuoteRefused(f"expected an SGX quote, got evidence of {evidence.kind.value}")
        verification = desk.env.verifier.verify(evidence, Unbound(), now=desk.env.clock())
        return sign_quote(desk.state, quote, verification, simulated_here=desk.env.issuer.simulated)

    def check_marble(self, leaf: bytes | None) -> MarbleName:
        """The marble that a connection proved to be.  Raises GateClosed, UnknownMarbleCertificate, NotServing."""
        desk = self._desk
        desk.check_serving()
        through_gate(desk.state, FeatureGate.MONOTONIC_COUNTER)
        if leaf is None:
            raise UnknownMarbleCertificate("no client certificate was shown")
        return find_marble_name(desk.state, leaf, now=desk.env.clock())

    async def raise_counter(self, marble: MarbleName, name: str, value: int) -> int:
        """Raise a counter; its value before, which is durable too.  Raises GateClosed, CounterRefused, NotServing."""
        desk = self._desk
        desk.check_serving()
        decision = raise_counter(desk.state, marble, name, value, now=desk.env.clock())
        await desk.durable(desk.enact(decision.events))
        return decision.reply
