"""What may be demanded of a Nitro enclave?  Claims, Reference Values, and how they compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from attestation import codes as common
from attestation.checks import Check
from attestation.claims import Claims, TcbStatus, source_of
from attestation.kinds import Kind
from attestation.nitro.codes import AGE, USER_DATA
from attestation.nitro.format import MEASURED_AT_START, Document
from attestation.nitro.steps import settled

SIGNER: Final = 8
"""PCR8: SHA-384 of the certificate that signed the image; zeros for an image that nobody signed."""


def claims_of(document: Document, now: datetime) -> Claims:
    """What a document says.  AWS publishes no patch levels: its tcb_status is NotApplicable.

    report_data is the user data as it stands, which is 64 bytes only where our issuer, or one like it, asked for it.
    """
    details: dict[str, str | int | bool] = {
        "module_id": document.module_id,
        "instance_id": document.module_id.partition("-enc")[0],
        "timestamp": round(document.timestamp.timestamp() * 1000),
        "age_seconds": int((now - document.timestamp).total_seconds()),
    }
    asked = {"user_data": document.user_data, "nonce": document.nonce, "public_key": document.public_key}
    details |= {name: value.hex() for name, value in asked.items() if value is not None}
    if document.others:
        details["unknown_fields"] = " ".join(document.others)
    return Claims(
        kind=Kind.NITRO,
        debuggable=document.debuggable,
        report_data=document.user_data or b"",
        measurements={f"pcr{number}": value for number, value in sorted(document.pcrs.items())},
        tcb_status=TcbStatus.NOT_APPLICABLE,
        advisories=(),
        tcb_date=None,
        hardware_id="",
        details=details,
    )


@dataclass(frozen=True, slots=True)
class NitroReferenceValues:
    """What a manifest demands of a Nitro enclave.  None: not demanded.

    pcrs: number (0 to 31) to 48 bytes.  The program is named by PCR0 (image), PCR1 (kernel), PCR2 (application) or
    PCR8 (signer); the role (PCR3) and the instance (PCR4) alone name none.
    user_data, nonce, public_key: exact bytes.  max_age: of the document at the time of verification.
    debug: must equal the enclave's flag.  A debuggable enclave measures nothing: whoever accepts one names zeros.
    sources: field name (`pcr0` for a register), or "" for the whole, to where the demand stands.
    """

    pcrs: Mapping[int, bytes] = field(default_factory=dict)
    user_data: bytes | None = None
    nonce: bytes | None = None
    public_key: bytes | None = None
    max_age: timedelta | None = None
    debug: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Nitro."""
        return Kind.NITRO

    def appraise(self, claims: Claims) -> tuple[Check, ...]:
        """Every demand with its outcome.  Values that name no program are met by nothing."""
        return (*self._registers(claims), self._debug(claims), *self._asked(claims), *self._age(claims))

    def _registers(self, claims: Claims) -> tuple[Check, ...]:
        checks = []
        for number, wanted in sorted(self.pcrs.items()):
            name = f"pcr{number}"
            found, source = claims.measurements.get(name), source_of(self.sources, name)
            words = "none" if found is None else found.hex()
            checks.append(
                settled(found == wanted, f"nitro.{name}", wanted.hex(), words, source, common.MEASUREMENT),
            )
        if not any(self._names_a_program(number, value) for number, value in self.pcrs.items()):
            expected, found_words = "a demand on PCR0, PCR1, PCR2 or PCR8 that is not zero", "none"
            source = source_of(self.sources, "")
            checks.append(
                settled(False, "nitro.identity", expected, found_words, source, common.NOTHING_DEMANDED),
            )
        return tuple(checks)

    def _names_a_program(self, number: int, value: bytes) -> bool:
        """Zeros name a program nowhere; only who accepts debuggable enclaves may name them, in PCR0 to 2."""
        if number in MEASURED_AT_START:
            return any(value) or self.debug
        return number == SIGNER and any(value)

    def _debug(self, claims: Claims) -> Check:
        words = {True: "debug", False: "no debug"}
        wanted, found = words[self.debug], words[claims.debuggable]
        source = source_of(self.sources, "debug")
        return settled(claims.debuggable is self.debug, "nitro.debug", wanted, found, source, common.DEBUG)

    def _asked(self, claims: Claims) -> tuple[Check, ...]:
        demands = {"user_data": self.user_data, "nonce": self.nonce, "public_key": self.public_key}
        checks = []
        for name, wanted in demands.items():
            if wanted is None:
                continue
            label, source = f"nitro.{name.replace('_', '-')}", source_of(self.sources, name)
            found = str(claims.details.get(name, "none"))
            checks.append(settled(found == wanted.hex(), label, wanted.hex(), found, source, USER_DATA))
        return tuple(checks)

    def _age(self, claims: Claims) -> tuple[Check, ...]:
        if self.max_age is None:
            return ()
        source, limit = source_of(self.sources, "max_age"), int(self.max_age.total_seconds())
        found = claims.details["age_seconds"]
        expected, words = f"a document of at most {limit} s", f"{found} s old"
        holds = isinstance(found, int) and found <= limit
        return (settled(holds, "nitro.max-age", expected, words, source, AGE),)
