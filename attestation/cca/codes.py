"""Message codes of Arm CCA evidence: code -> (title, hint)."""

from collections.abc import Mapping
from typing import Final

PLATFORM_SIGNATURE: Final = "V241"
REALM_SIGNATURE: Final = "V242"
REALM_BINDING: Final = "V243"
NO_CPAK: Final = "V244"
COMPONENT: Final = "V245"
PLATFORM: Final = "V246"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    PLATFORM_SIGNATURE: (
        "the CCA platform token is not signed by the machine's key",
        "the token was altered, or the CPAK is another machine's",
    ),
    REALM_SIGNATURE: ("the CCA realm token is not signed by the realm's key", "the token was altered"),
    REALM_BINDING: (
        "the CCA realm token does not belong to the platform token",
        "somebody put tokens of two machines together: do not trust it",
    ),
    NO_CPAK: (
        "no attestation key is known for this Arm CCA platform",
        "ask the machine's owner for its CPAK as a JWK, and name it with --collateral",
    ),
    COMPONENT: (
        "a software component of the Arm CCA platform differs from what is wanted",
        "another firmware was loaded than the one that the manifest names",
    ),
    PLATFORM: (
        "the Arm CCA platform is another one than the manifest names",
        "start the realm on a platform that the manifest names, or add this one",
    ),
}
