"""The shape of a package: one section for each platform, in its vendor's words, and MarbleRun's flat fields."""

from typing import Final

from coordinator.manifest.schema_parts import (
    UINT32,
    UINT64,
    Schema,
    allow_list,
    form,
    hash_text,
    hex_text,
    named,
    octets,
    ours,
    part,
    struct,
    switch,
    texts,
    whole,
)

TCB_STATUSES: Final = (
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
)
# What is revoked is accepted by no waiver, and what is up to date needs none.
WAIVABLE_STATUSES: Final = tuple(status for status in TCB_STATUSES if status not in ("UpToDate", "Revoked"))
PLATFORM_FLAGS: Final = (
    "smt",
    "tsme",
    "ecc",
    "rapl-disabled",
    "ciphertext-hiding",
    "alias-check-complete",
    "iommu-write-safe",
    "tio",
)
NITRO_PCRS: Final = (0, 1, 2, 3, 4, 8, *range(16, 32))
AZURE_PCRS: Final = tuple(range(24))

_DAY: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_WAIVERS: Final = {
    "type": "array",
    "description": "Flaws of the platform that are accepted until a day, each with a reason that others can read.",
    "items": {
        **struct(
            "A waiver: Status or Advisory, Until and Reason.",
            {
                "Status": {
                    "type": "string",
                    "enum": [*WAIVABLE_STATUSES],
                    "description": "A platform state (Intel's name).",
                },
                "Advisory": form(
                    "^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$",
                    "the name of an advisory",
                    "An advisory; where waivers name some, only these and AcceptedAdvisories are accepted.",
                    "INTEL-SA-00615",
                ),
                "Until": form(_DAY, "a date as 2026-01-31", "The last day (UTC) on which it holds.", "2026-12-31"),
                "Reason": form(
                    "^.{3,500}$", "a sentence of 3 to 500 characters", "Why this is acceptable, for whom.", "ticket 7"
                ),
            },
            required=["Until", "Reason"],
        ),
        "type": "object",
    },
    "examples": [[{"Status": "OutOfDate", "Until": "2026-12-31", "Reason": "firmware update ordered, ticket 7"}]],
}
_ADVISORIES: Final = texts("Intel advisories that are accepted with SWHardeningNeeded; none named: all.")
_INTEL_PLATFORM: Final = {
    "AcceptedTCBStatuses": texts(
        "Platform states that are accepted besides UpToDate (Intel's names).",
        {"type": "string", "enum": [*TCB_STATUSES]},
    ),
    "AcceptedAdvisories": _ADVISORIES,
    "MinimumTCBDate": form(
        _DAY,
        "a date as 2026-01-31",
        "The platform's patch level is at least that of this day (tcbDate of Intel's TCB info).",
        "2025-05-14",
    ),
    "MinimumTCBEvaluationDataNumber": whole(
        UINT32, "Least number of Intel's evaluation that the collateral is of (tcbEvaluationDataNumber)."
    ),
    "PPIDs": allow_list(
        "Machines that are allowed, by the PPID of their PCK certificate; absent: all.", hex_text(16, "A PPID")
    ),
    "RevokedPPIDs": allow_list("Machines that are not allowed any more, by their PPID.", hex_text(16, "A PPID")),
    "Waivers": _WAIVERS,
}
_SGX: Final = struct(
    "An SGX enclave: MRENCLAVE, or MRSIGNER with ISVProdID and ISVSVN.  Only UpToDate platforms unless named.",
    {
        "MRENCLAVE": named(hex_text(32, "Measurement of the enclave")),
        "UniqueID": named(hex_text(32, "The same as MRENCLAVE")),
        "MRSIGNER": named(hex_text(32, "Hash of the signer's key")),
        "ISVProdID": whole(0xFFFF, "The signer's number of the product, exactly."),
        "ISVSVN": whole(0xFFFF, "Lowest accepted security version."),
        **_INTEL_PLATFORM,
    },
)
_TDX: Final = struct(
    "A TDX virtual machine.  Only UpToDate platforms unless named.",
    {
        "MRTD": named(hex_text(48, "Measurement of the initial memory (firmware)")),
        **{f"RTMR{index}": named(hex_text(48, f"Run-time measurement register {index}")) for index in range(4)},
        "MRConfigID": named(hex_text(48, "Configuration identity")),
        "MROwner": named(hex_text(48, "Owner's identity")),
        "MROwnerConfig": named(hex_text(48, "Owner's configuration")),
        "MRServiceTD": named(hex_text(48, "The service TD that may migrate it; absent: it must not be migratable")),
        **_INTEL_PLATFORM,
    },
)


_CHIP_ID: Final = form("^([0-9a-fA-F]{128}|[0-9a-fA-F]{16})$", "128 or 16 hex digits", "A chip's identity.", "01" * 64)


def _minimum_tcb(what: str) -> Schema:
    names = ("Bootloader", "TEE", "SNP", "Microcode", "FMC")
    return part(what, {name: whole(255, f"Least security version of {name}.") for name in names})


_SEV_SNP: Final = struct(
    "A SEV-SNP guest: Measurement, or the digest of the key that signed its ID block or of that key's author.  "
    "No migration agent unless allowed.",
    {
        "Measurement": named(hex_text(48, "Launch measurement")),
        "IDKeyDigest": named(hex_text(48, "Digest of the key that signed the ID block")),
        "AuthorKeyDigest": named(hex_text(48, "Digest of the key that signed the ID key")),
        "HostData": named(hex_text(32, "What the host gave at launch, e.g. the digest of an init-data document")),
        "FamilyID": named(hex_text(16, "Family of the image, from the ID block")),
        "ImageID": named(hex_text(16, "Identity of the image, from the ID block")),
        "GuestSVN": whole(UINT32, "Lowest accepted security version of the guest, from the ID block."),
        "VMPL": whole(3, "Privilege level that asked for the report, exactly."),
        "MigrateMA": switch("Whether a migration agent is allowed.", default=False),
        "SMT": switch("False: the guest's policy forbids simultaneous multithreading.", default=True),
        "SingleSocket": switch("True: the guest's policy binds it to one socket.", default=False),
        "PlatformInfo": allow_list("Properties that the platform has.", {"type": "string", "enum": [*PLATFORM_FLAGS]}),
        "MinimumTCB": _minimum_tcb("Least security versions of the platform's firmware, as reported."),
        "MinimumLaunchTCB": _minimum_tcb("The same for the platform when the guest was launched."),
        "ChipIDs": allow_list(
            "Machines that are allowed: 128 hex digits, for Turin 16; absent: all.",
            _CHIP_ID,
        ),
        "RevokedChipIDs": allow_list("Machines that are not allowed any more, by their chip id.", _CHIP_ID),
        "Products": allow_list(
            "Processor lines that are allowed; absent: all.",
            {"type": "string", "enum": ["Milan", "Genoa", "Turin"]},
        ),
        "SigningKeys": allow_list(
            "Keys that may sign: the chip's (VCEK) or the provider's (VLEK); absent: both.",
            {"type": "string", "enum": ["VCEK", "VLEK"]},
        ),
        "RequireRevocationList": switch("True: AMD's revocation list has to be given and to hold.", default=False),
    },
)
_NITRO: Final = struct(
    "A Nitro enclave: PCR0, PCR1, PCR2 or PCR8 that is not zero.",
    {
        **{
            f"PCR{number}": named(hex_text(48, _what))
            for number, _what in zip(
                NITRO_PCRS,
                (
                    "Measurement of the image file",
                    "Measurement of kernel and boot ramdisk",
                    "Measurement of the application",
                    "Hash of the instance's IAM role",
                    "Hash of the instance's identity",
                    "Hash of the certificate that signed the image",
                    *("Register that the enclave extends itself",) * 16,
                ),
                strict=True,
            )
        },
        "UserData": octets(512, "Data that the enclave put into the document"),
        "Nonce": octets(512, "Nonce that the enclave put into the document"),
        "PublicKey": octets(1024, "Key that the enclave put into the document"),
        "MaxAge": form(
            "^[1-9][0-9]{0,5}(s|m|h|d)$", "a time as 90s, 5m, 1h or 1d", "Oldest document that is accepted.", "5m"
        ),
    },
)
_CCA: Final = struct(
    "An Arm CCA realm: RIM.  The platform has to be in the secured state.",
    {
        "RIM": named(hash_text("Realm initial measurement")),
        **{f"REM{index}": named(hash_text(f"Realm extensible measurement {index}")) for index in range(4)},
        "RPV": named(hex_text(64, "Realm personalization value")),
        "ImplementationID": named(hex_text(32, "Identity of the platform's design")),
        "InstanceIDs": allow_list("Machines that are allowed; absent: all.", hex_text(33, "A machine's identity")),
        "Config": octets(1024, "The platform's configuration"),
        "Components": {
            "type": "object",
            "minProperties": 1,
            "description": "The platform's firmware by component type: each has to be there as it is described.",
            "examples": [{"RMM": {"Version": "1.0"}}],
            "additionalProperties": {
                **struct(
                    "A component.",
                    {
                        "Measurement": hash_text("Measurement"),
                        "SignerID": hash_text("Hash of the signer's key"),
                        "Version": {"type": "string", "description": "Its version, exactly.", "examples": ["1.0"]},
                    },
                ),
                "type": "object",
            },
        },
        "ComponentsOnly": switch("True: no component of another type may be there.", default=False),
    },
)
_VERSION: Final = "^[0-9A-Fa-f]{1,8}([.][0-9A-Fa-f]{1,8})*$"
_NVIDIA_GPU: Final = struct(
    "An NVIDIA device (GPU or NVSwitch): RIMs, or at least one of Measurements.  It proves a device, not a program.",
    {
        "RIMs": switch("All measurements are those that NVIDIA published for its driver and VBIOS.", default=True),
        "Measurements": {
            "type": "object",
            "minProperties": 1,
            "description": "Measurements by NVIDIA's index, from 0 to 63.",
            "examples": [{"9": "0123456789abcdef" * 6}],
            "additionalProperties": hex_text(48, "A measurement"),
        },
        "Drivers": allow_list(
            "Versions of the driver that are accepted; absent: all.", {"type": "string", "examples": ["550.90.07"]}
        ),
        "VBIOSes": allow_list(
            "Versions of the VBIOS that are accepted; absent: all.",
            {"type": "string", "examples": ["96.00.9F.00.01"]},
        ),
        "MinimumDriver": form(
            "^[0-9]{1,8}([.][0-9]{1,8})*$", "numbers with dots", "Lowest version of the driver.", "550.90.07"
        ),
        "MinimumVBIOS": form(_VERSION, "hex numbers with dots", "Lowest version of the VBIOS.", "96.00.9F.00.01"),
        "Models": allow_list("Models that are accepted; absent: all.", {"type": "string", "examples": ["GH100"]}),
        "Devices": allow_list(
            "Devices that are allowed, by the hardware id that `enclasp evidence show` prints; absent: all.",
            octets(64, "A device's identity"),
        ),
        "CCMode": {
            "type": "string",
            "enum": ["SPT", "MPT", "PPCIE"],
            "description": "Confidential computing mode: one GPU, several with protected links, protected PCIe.",
        },
        "ProtectedPCIe": switch("Whether protected PCIe is on; absent: either."),
        "RequireRevocation": switch("True: fresh OCSP answers have to say that certificates are good.", default=False),
        "AcceptNRAS": switch("True: a token of NVIDIA's service may stand for the device's evidence.", default=False),
    },
)
_AZURE_VTPM: Final = struct(
    "A confidential machine on Azure: its paravisor, by SEVSNP or TDX, and at least one PCR of its vTPM.",
    {
        "SEVSNP": {**_SEV_SNP, "type": "object"},
        "TDX": {**_TDX, "type": "object"},
        **{f"PCR{number}": named(hex_text(32, f"PCR {number} of the SHA-256 bank")) for number in AZURE_PCRS},
        "SecureBoot": switch("Whether secure boot is on; absent: either."),
        "VMID": form(
            "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
            "a UUID",
            "The machine's identity, as Azure writes it.",
            "01234567-89ab-cdef-0123-456789abcdef",
        ),
        "UserData": hex_text(64, "Data that the guest gave to its paravisor"),
    },
)
PLATFORMS: Final = {
    "SGX": _SGX,
    "TDX": _TDX,
    "SEVSNP": _SEV_SNP,
    "Nitro": _NITRO,
    "CCA": _CCA,
    "NvidiaGPU": _NVIDIA_GPU,
    "AzureVTPM": _AZURE_VTPM,
}
_ALL_OF: Final = {
    "x-new": True,
    "type": "array",
    "description": "A processor and its GPUs, proven together; two entries of a kind want two devices.",
    "items": {
        "type": "object",
        "minProperties": 1,
        "description": "A part: the processor, by alternative platforms, or a GPU.",
        "properties": {key: PLATFORMS[key] for key in ("TDX", "SEVSNP", "CCA", "AzureVTPM", "NvidiaGPU")},
        "additionalProperties": False,
    },
}
_ANY_OF: Final = {
    "x-new": True,
    "type": "array",
    "description": "Alternatives of which one is enough, where platforms beside each other do not say it: the same "
    "platform twice with other demands, or AllOf beside a platform.",
    "items": {
        "type": "object",
        "minProperties": 1,
        "description": "An alternative: a platform, or AllOf.",
        "properties": {**{key: PLATFORMS[key] for key in PLATFORMS if key != "NvidiaGPU"}, "AllOf": _ALL_OF},
        "additionalProperties": False,
    },
}
PACKAGE: Final = struct(
    "A program, by what proves it.  Platforms beside each other are alternatives.",
    {
        **{key: ours(schema) for key, schema in PLATFORMS.items()},
        "AllOf": _ALL_OF,
        "AnyOf": _ANY_OF,
        "Debug": {"type": "boolean", "default": False, "description": "Must equal the evidence's debug flag."},
        "UniqueID": hex_text(32, "MRENCLAVE (MarbleRun's name)", may_be_empty=True),
        "SignerID": hex_text(32, "MRSIGNER (MarbleRun's name)", may_be_empty=True),
        "ProductID": whole(UINT64, "ISVPRODID, exactly (MarbleRun's name).", null=True),
        "SecurityVersion": whole(UINT64, "Lowest accepted ISVSVN (MarbleRun's name).", null=True),
        "AcceptedTCBStatuses": texts(
            "Platform states accepted besides UpToDate; none named: SWHardeningNeeded.",
            {"type": "string", "enum": [*TCB_STATUSES], "x-ignorable": True},
        ),
        "AcceptedAdvisories": _ADVISORIES,
    },
)
