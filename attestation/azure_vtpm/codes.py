"""Message codes of Azure vTPM evidence: code -> (title, hint).  The codes of every kind are in attestation/codes.py."""

from collections.abc import Mapping
from typing import Final

FORMAT: Final = "V270"
RUNTIME_DATA: Final = "V271"
NO_HARDWARE: Final = "V272"
PRIVILEGE: Final = "V273"
KEY: Final = "V274"
SIGNATURE: Final = "V275"
PCR_DIGEST: Final = "V276"
PCR: Final = "V277"
IDENTITY: Final = "V278"
MACHINE: Final = "V279"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    FORMAT: ("the vTPM evidence is malformed", "collect it again: HCL report, TPM quote and the PCRs that it covers"),
    RUNTIME_DATA: (
        "the hardware did not vouch for the vTPM's key",
        "HCL report and hardware evidence are of different machines or boots: collect both again",
    ),
    NO_HARDWARE: (
        "the hardware evidence is missing",
        "on TDX the quote is fetched from the instance metadata service (/acc/tdquote): collect it with the rest",
    ),
    PRIVILEGE: (
        "the report was asked for by the guest, not by the paravisor",
        "only the paravisor at VMPL 0 may vouch for the vTPM: do not trust this machine",
    ),
    KEY: ("the vTPM's attestation key cannot be used", "collect a fresh HCL report"),
    SIGNATURE: ("the TPM quote's signature does not hold", "the quote was altered, or another vTPM made it"),
    PCR_DIGEST: ("the PCR values are not those that the vTPM signed", "collect quote and PCRs together again"),
    PCR: ("a PCR differs", "another boot chain or system was started than the one that the manifest names"),
    IDENTITY: (
        "the reference values name no PCR",
        "the hardware report measures Microsoft's paravisor only: name the PCRs of your system too",
    ),
    MACHINE: ("the machine differs from what is wanted", "start the one that the manifest names, or change the demand"),
}
