"""Message codes of NVIDIA evidence: code -> (title, hint).  What every kind shares is in attestation/codes.py."""

from collections.abc import Mapping
from typing import Final

FORMAT: Final = "V250"
SIGNATURE: Final = "V251"
ROLES: Final = "V252"
FIRMWARE: Final = "V253"
NONCE: Final = "V254"
NO_RIM: Final = "V255"
RIM_SIGNATURE: Final = "V256"
RIM_CHAIN: Final = "V257"
RIM_DATES: Final = "V258"
RIM_MISMATCH: Final = "V259"
RIM_CONFLICT: Final = "V260"
NO_REVOCATION: Final = "V261"
VERSION: Final = "V262"
MODEL: Final = "V263"
MODE: Final = "V264"
NOT_ALLOWED: Final = "V265"
NRAS_KEYS: Final = "V266"
NRAS_SIGNATURE: Final = "V267"
NRAS_DATES: Final = "V268"
NRAS_RESULT: Final = "V269"
NRAS_NOT_WANTED: Final = "V249"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    FORMAT: (
        "the NVIDIA evidence is malformed",
        "collect it again: measurements (SPDM request and response) and certificate chain belong together",
    ),
    SIGNATURE: (
        "the measurement report's signature does not hold",
        "the report was altered after the device signed it, or the certificate is another device's",
    ),
    ROLES: (
        "a certificate of the device has another role than expected",
        "expected the device's attestation key below its boot ROM's certificate below NVIDIA's intermediates",
    ),
    FIRMWARE: (
        "the firmware in the report is not the one that the certificate was issued to",
        "the report was put together with another boot's certificate: collect both again",
    ),
    NONCE: (
        "the report was made for another nonce",
        "it may be replayed: collect fresh evidence with the nonce that you chose",
    ),
    NO_RIM: (
        "no RIM (reference measurements) for this firmware was given",
        "fetch the RIMs of this driver and VBIOS version with `enclasp collateral fetch`, or name a bundle",
    ),
    RIM_SIGNATURE: ("a RIM is not signed by its certificate", "the RIM was altered: fetch it again"),
    RIM_CHAIN: (
        "a RIM is signed by somebody else than the device's vendor",
        "only NVIDIA's RIM root signs RIMs for genuine devices, a simulated vendor's for its simulated devices",
    ),
    RIM_DATES: (
        "a RIM's signer is not valid at this time",
        "fetch a RIM that was signed anew, or check the clock or the time given with --at",
    ),
    RIM_MISMATCH: (
        "measurements differ from what the vendor published",
        "another firmware or driver runs, or the device is in a debug mode: install a released driver and VBIOS",
    ),
    RIM_CONFLICT: ("two RIMs claim the same measurement", "they do not belong together: fetch both again"),
    NO_REVOCATION: (
        "no revocation answer (OCSP) of NVIDIA that is valid at this time was given",
        "fetch fresh OCSP answers for the chains, or leave it: policy decides if they are needed",
    ),
    VERSION: ("the driver or VBIOS version is not a wanted one", "install the wanted version, or change the demand"),
    MODEL: ("the device is of another model", "use a device of the wanted model, or change the demand"),
    MODE: ("the device is in another mode than wanted", "set the wanted confidential computing mode, or the demand"),
    NOT_ALLOWED: ("the device is not on the list of allowed ones", "add its hardware id, or use an allowed device"),
    NRAS_KEYS: (
        "no key of NVIDIA's attestation service was given",
        "name the service's JWKS as a trust anchor; its tokens are its word, not the device's",
    ),
    NRAS_SIGNATURE: ("a token's signature does not hold", "the token was altered, or signed by another service"),
    NRAS_DATES: ("a token is not valid at this time", "ask the service again, or check the clock"),
    NRAS_RESULT: ("NVIDIA's attestation service did not accept the device", "look at the claims for the reason"),
    NRAS_NOT_WANTED: (
        "the service's word is not accepted in place of the device's evidence",
        "collect the device's own evidence, or allow tokens of the service in the reference values",
    ),
}
