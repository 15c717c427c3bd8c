"""Message codes of evidence: code -> (title, hint).  `enclasp explain CODE` shows them."""

from collections.abc import Mapping
from typing import Final

FORMAT: Final = "V101"
NO_PCK: Final = "V102"
NO_ENDORSEMENTS: Final = "V103"
CHAIN: Final = "V104"
SIMULATED: Final = "V105"
UNKNOWN_ROOT: Final = "V106"
REVOKED: Final = "V107"
VALIDITY: Final = "V108"
QE_SIGNATURE: Final = "V109"
KEY_BINDING: Final = "V110"
QUOTE_SIGNATURE: Final = "V111"
QE_IDENTITY: Final = "V112"
COLLATERAL_FORMAT: Final = "V113"
COLLATERAL_SIGNATURE: Final = "V114"
COLLATERAL_DATES: Final = "V115"
SIGNER_ROLE: Final = "V116"
PLATFORM_MISMATCH: Final = "V117"
TDX_MODULE: Final = "V118"
REPORT_DATA: Final = "V119"
NOT_BOUND: Final = "V120"
TCB_STATUS: Final = "V121"
ADVISORY: Final = "V122"
DEBUG: Final = "V123"
MEASUREMENT: Final = "V124"
SVN: Final = "V125"
KIND: Final = "V126"
NOTHING_DEMANDED: Final = "V127"
MIGRATION: Final = "V128"
NO_DEVICE: Final = "V129"
TCB_DATE: Final = "V140"
MACHINE: Final = "V141"
NO_PACKAGE: Final = "V293"
LIKENESS: Final = "V142"
TOLD_OTHERWISE: Final = "V143"
TOLD_UNKNOWN: Final = "V144"
NOTHING_TOLD: Final = "V145"
TCB_EVALUATION: Final = "V303"
REVOKED_MACHINE: Final = "V304"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    FORMAT: ("the evidence is malformed", "collect it again, and compare its size with what the device returned"),
    NO_PCK: (
        "the quote names its machine only by an encrypted PPID",
        "configure the quote provider so that quotes carry the PCK certificate chain (certification data type 5)",
    ),
    NO_ENDORSEMENTS: (
        "endorsements for this platform are missing",
        "fetch them with `enclasp collateral fetch`, or name a bundle with --collateral",
    ),
    CHAIN: ("a certificate chain does not hold", "the quote or the collateral was altered or put together wrongly"),
    SIMULATED: (
        "the evidence is signed by a simulated vendor",
        "if you want to accept simulated evidence, name the vendor's trust.pem with --trust",
    ),
    UNKNOWN_ROOT: (
        "a certificate chain ends at a root that is no trust anchor",
        "only the vendor's root, or a simulated root that you named, is trusted",
    ),
    REVOKED: ("a certificate was revoked by its issuer", "take the machine out of service, or ask its vendor"),
    VALIDITY: ("a certificate is not valid at this time", "check the clock, or the time given with --at"),
    QE_SIGNATURE: ("the quoting enclave's report is not signed by the machine", "the quote was altered"),
    KEY_BINDING: (
        "the key that signed the quote is not the quoting enclave's",
        "somebody signed this quote outside the quoting enclave: do not trust it",
    ),
    QUOTE_SIGNATURE: ("the quote's signature does not hold", "the quote was altered after it was signed"),
    QE_IDENTITY: ("the quoting enclave is not the vendor's", "do not trust this machine's quotes"),
    COLLATERAL_FORMAT: ("a part of the collateral cannot be read", "fetch the collateral again"),
    COLLATERAL_SIGNATURE: ("a part of the collateral is not signed by the vendor", "fetch the collateral again"),
    COLLATERAL_DATES: (
        "a part of the collateral is not valid at this time",
        "fetch fresh collateral, or check the clock or the time given with --at",
    ),
    SIGNER_ROLE: (
        "a part of the collateral is signed by a certificate of another role",
        "only the vendor's TCB signing certificate may sign it",
    ),
    PLATFORM_MISMATCH: ("the collateral belongs to another platform", "fetch the collateral of this machine"),
    TDX_MODULE: ("the TDX module is not one that the vendor lists", "update the TDX module, or fetch fresh collateral"),
    REPORT_DATA: (
        "the evidence was made for another key or nonce",
        "it may be replayed: collect fresh evidence from the peer that you talk to",
    ),
    NOT_BOUND: ("nobody said what the evidence should be bound to", "give --nonce or --report-data"),
    TCB_STATUS: (
        "the platform's patch level is not acceptable",
        "update the platform, or list the status as accepted in the manifest",
    ),
    ADVISORY: (
        "a security advisory applies that the manifest does not accept",
        "update the platform, or list the advisory as accepted in the manifest",
    ),
    DEBUG: (
        "debug mode differs from what is wanted",
        "a debuggable program has no secrets from its host: build it without debug, or say so in the manifest",
    ),
    MEASUREMENT: (
        "a measurement differs",
        "another program was started than the one that the manifest names; measure it again if you changed it",
    ),
    SVN: ("the program's security version is too low", "start the newer program, or lower the demand"),
    KIND: ("the evidence is of a kind that the manifest does not name", "add reference values for this kind"),
    NOTHING_DEMANDED: (
        "the reference values name no measurement",
        "every program would match: name at least one measurement",
    ),
    MIGRATION: (
        "the host could move the trust domain to another machine",
        "start it without the MIGRATABLE attribute and without a service TD",
    ),
    TCB_DATE: (
        "the platform's patch level is older than wanted",
        "update the platform's firmware, or lower MinimumTCBDate in the manifest",
    ),
    MACHINE: ("the machine is not on the list of allowed ones", "add its hardware id, or use an allowed machine"),
    LIKENESS: (
        "this is not the same program on the same kind of platform",
        "replicas must run one image, with one configuration of their machine, and without debug",
    ),
    TOLD_OTHERWISE: (
        "a machine's evidence does not hold the digest of the init-data that it was given",
        "compare the pod's annotation with the one that was deployed; Kata's configuration must allow cc_init_data",
    ),
    TOLD_UNKNOWN: (
        "a machine was told something at launch, and its program was not given that document",
        "set ENCLASP_INIT_DATA to a file with the pod's annotation, or start the machine without init-data",
    ),
    NOTHING_TOLD: (
        "evidence of this platform does not say what a machine was told at launch",
        "run it under a runtime class of Kata on TDX or SEV-SNP, or unset ENCLASP_INIT_DATA; where the program's own "
        "measurement covers its files, as in an enclave, --config names one of them",
    ),
    TCB_EVALUATION: (
        "the platform was judged by an older evaluation of its vendor than wanted",
        "fetch fresh collateral, or lower MinimumTCBEvaluationDataNumber in the manifest",
    ),
    REVOKED_MACHINE: (
        "the machine is on the list of revoked ones, or not known",
        "use another machine; evidence that does not name its machine cannot show that it is not revoked",
    ),
    NO_PACKAGE: (
        "evidence of this platform cannot be verified by this installation",
        "install the package that is named; `pip install enclasp-marble[cbor]` for Nitro and CCA",
    ),
    NO_DEVICE: (
        "no confidential computing environment was found",
        "start inside one; for a trial `enclasp coordinator run --dev`, or ENCLASP_SIMULATION with the folder of a "
        "simulated vendor",
    ),
}
