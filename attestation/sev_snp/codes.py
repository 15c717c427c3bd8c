"""Message codes of SEV-SNP evidence: code -> (title, hint).  The codes of every kind are in attestation/codes.py."""

from collections.abc import Mapping
from typing import Final

FORMAT: Final = "V200"
VERSION: Final = "V201"
ALGORITHM: Final = "V202"
SIGNING_KEY: Final = "V203"
NO_CERTIFICATE: Final = "V204"
ROLES: Final = "V205"
EXTENSIONS: Final = "V206"
PRODUCT: Final = "V207"
CHIP: Final = "V208"
TCB_MISMATCH: Final = "V209"
TCB_ORDER: Final = "V210"
SIGNATURE: Final = "V211"
NO_CRL: Final = "V212"
CRL_DATES: Final = "V213"
TCB_MINIMUM: Final = "V214"
POLICY: Final = "V215"
PLATFORM: Final = "V216"
VMPL: Final = "V217"
MIGRATION: Final = "V218"
NOT_ALLOWED: Final = "V219"
NO_REVOCATION: Final = "V220"

CODES: Final[Mapping[str, tuple[str, str]]] = {
    FORMAT: (
        "the SEV-SNP report is malformed",
        "collect it again: a report has 1184 bytes, a certificate table may follow",
    ),
    VERSION: (
        "the report has a version that is too old",
        "update the machine's firmware: reports start with version 2",
    ),
    ALGORITHM: ("the report is signed with another algorithm", "only ECDSA on P-384 with SHA-384 is defined"),
    SIGNING_KEY: (
        "the report is not signed by a key of the chip or of its provider",
        "the host masks the chip's key (MASK_CHIP_KEY): ask the provider to change that",
    ),
    NO_CERTIFICATE: (
        "the certificate of the key that signed the report is missing",
        "give the VCEK or VLEK with its chain (vcek.der, ask.der), or collect an extended report, which carries them",
    ),
    ROLES: ("a certificate has another role in AMD's hierarchy", "expected ARK, then ASK or ASVK, then VCEK or VLEK"),
    EXTENSIONS: ("the certificate lacks AMD's extensions", "fetch the VCEK from AMD's key distribution service again"),
    PRODUCT: ("report and certificate are of different products", "fetch the certificate of this machine"),
    CHIP: ("the certificate belongs to another chip", "fetch the VCEK for the chip id in the report"),
    TCB_MISMATCH: (
        "the certificate is for another patch level than the report",
        "fetch the VCEK for the reported TCB in the report",
    ),
    TCB_ORDER: ("the report's patch levels contradict each other", "the report was not made by AMD's firmware"),
    SIGNATURE: (
        "the report's signature does not hold",
        "the report was altered after it was signed, or the certificate is another chip's",
    ),
    NO_CRL: (
        "no revocation list of AMD was given",
        "give crl.der of the product from the key distribution service; policy decides whether it is needed",
    ),
    CRL_DATES: ("AMD's revocation list is not valid at this time", "fetch it again, or check the clock"),
    TCB_MINIMUM: (
        "the platform's patch level is below the minimum",
        "update the firmware, or lower the minimum in the manifest",
    ),
    POLICY: ("the guest was started with a laxer policy than wanted", "start it with the wanted policy bits"),
    PLATFORM: ("the platform lacks a property that is wanted", "change the host's configuration, or the demand"),
    VMPL: (
        "the report was asked for from another privilege level",
        "only code at the wanted VMPL should speak for the guest",
    ),
    MIGRATION: (
        "a migration agent could move the guest to another machine",
        "start it without the MIGRATE_MA policy bit, or allow migration_agent",
    ),
    NOT_ALLOWED: ("the machine is not on the list of allowed ones", "add its chip id, or use an allowed machine"),
    NO_REVOCATION: ("revocation is to be checked and was not", "give AMD's revocation list of the product"),
}
