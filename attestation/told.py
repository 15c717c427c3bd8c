"""A program obeys the document that its machine was started with, or proves nothing.

The host delivers the document, and on some platforms the Evidence too, which it could have had made on another machine.
So the comparison is not made once: no Evidence leaves whose field for what the host told at launch is another than that
of the document which the program obeys.  Whoever verifies the Evidence, and demands the digest, knows what it obeys.
"""

from dataclasses import dataclass

from attestation import codes
from attestation.errors import AttestationError
from attestation.evidence import Evidence
from attestation.init_data import InitData
from attestation.issue import Issuer
from attestation.kinds import Kind


class ToldOtherwise(AttestationError):
    """This machine was not started with the document that its program is to obey.  code: of `enclasp explain`."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"{code} {message}\n  hint: {codes.CODES[code][1]}")


@dataclass(frozen=True, slots=True)
class ToldIssuer:
    """An `attestation.issue.Issuer` of a machine that was told one thing.  told: its Evidence's field, whole."""

    issuer: Issuer
    told: bytes

    @property
    def kind(self) -> Kind:
        """The machine's."""
        return self.issuer.kind

    @property
    def simulated(self) -> bool:
        """The machine's."""
        return self.issuer.simulated

    def issue(self, report_data: bytes) -> Evidence:
        """Evidence over 64 bytes of report data.  Raises ToldOtherwise, and what the machine's issuer raises."""
        evidence = self.issuer.issue(report_data)
        found = told_by(evidence)
        if found != self.told:
            raise ToldOtherwise(codes.TOLD_OTHERWISE, _differs(self.told, found or b""))
        return evidence

    def sealing_key(self, mode: str) -> bytes:
        """The machine's, see `attestation.issue.Issuer`."""
        return self.issuer.sealing_key(mode)


def as_told(issuer: Issuer, document: InitData | None) -> Issuer:
    """The issuer of a program that obeys this document, or none.  Slow: asks the device.

    Raises ToldOtherwise if the machine was told another one, or one that nobody gave; EvidenceFormatError.
    """
    found = told_by(issuer.issue(bytes(64)))
    if found is None:
        if document is None:
            return issuer
        raise ToldOtherwise(codes.NOTHING_TOLD, f"init-data was given, and evidence of {issuer.kind} cannot hold it")
    told = bytes(len(found)) if document is None else document.digest(len(found))
    if found == told:
        return ToldIssuer(issuer, told)
    if document is None:
        raise ToldOtherwise(
            codes.TOLD_UNKNOWN, f"this machine was told something at launch (digest {found.hex()}), expected nothing"
        )
    raise ToldOtherwise(codes.TOLD_OTHERWISE, _differs(told, found))


def told_by(evidence: Evidence) -> bytes | None:
    """The field of Evidence, genuine or not: zeros for nothing; None where it has no such field.

    Raises EvidenceFormatError.
    """
    match evidence.kind:
        case Kind.COMPOSITE:
            from attestation.composite.format import parse_composite

            return told_by(parse_composite(evidence.raw).cpu)
        case Kind.TDX:
            from attestation.dcap.format import parse_signed_part
            from attestation.tdx.format import parse_body

            return parse_body(parse_signed_part(evidence.raw, evidence.kind).body).mrconfigid
        case Kind.SEV_SNP:
            from attestation.sev_snp.format import parse_evidence

            return parse_evidence(evidence.raw).report.host_data
        case Kind.CCA:
            from attestation.cca.format import parse_token

            return parse_token(evidence.raw).realm.personalization
    return None


def _differs(expected: bytes, found: bytes) -> str:
    return (
        "this machine was not started with the init-data that its program was given: expected the digest "
        f"{expected.hex()} in its evidence, found {found.hex()}"
    )
