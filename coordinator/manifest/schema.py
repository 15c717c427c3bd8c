"""The shape of a manifest as JSON Schema 2020-12: the source for the check and for editors.

`manifests/manifest.schema.json` is this value; a test compares.  `x-expected` words a pattern for people;
`x-ignorable` marks what MarbleRun takes and ignores.
"""

from typing import Any, Final

Schema = dict[str, Any]


def _hex(count: int, what: str, *, may_be_empty: bool = False) -> Schema:
    digits = f"[0-9a-fA-F]{{{count * 2}}}"
    return {
        "type": "string",
        "pattern": f"^({digits})?$" if may_be_empty else f"^{digits}$",
        "description": f"{what}, {count * 2} hex digits.",
        "examples": ["0123456789abcdef" * (count // 8)],
        "x-expected": f"{count * 2} hex digits",
    }


def _whole(maximum: int, what: str, *, null: bool = False) -> Schema:
    kinds: Any = ["integer", "null"] if null else "integer"
    return {"type": kinds, "minimum": 0, "maximum": maximum, "description": what}


def _texts(what: str, items: Schema | None = None) -> Schema:
    return {"type": ["array", "null"], "items": items or {"type": "string"}, "description": what}


def _any_case(*words: str) -> Schema:
    pattern = "|".join("".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in word) for word in words)
    return {"type": "string", "anyOf": [{"enum": list(words)}, {"pattern": f"^({pattern})$"}]}


def _map(values: Schema, what: str) -> Schema:
    entry = {**values, "type": "object"} if values.get("type") == ["object", "null"] else values
    return {"type": ["object", "null"], "additionalProperties": entry, "description": what}


def _struct(what: str, properties: Schema, *, required: list[str] | None = None) -> Schema:
    schema: Schema = {
        "type": ["object", "null"],
        "description": what,
        "properties": properties,
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    return schema


UINT64: Final = 2**64 - 1
UINT32: Final = 2**32 - 1
TCB_STATUSES: Final = (
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
)
_STATUSES: Final = _texts(
    "Platform states that are accepted besides UpToDate (Intel's names).", {"type": "string", "enum": [*TCB_STATUSES]}
)
_ADVISORIES: Final = _texts("Intel advisories that are accepted with SWHardeningNeeded; none named: all.")
_BYTES: Final[Schema] = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
        {"type": "null"},
    ]
}

_SGX: Final = _struct(
    "An SGX enclave: MRENCLAVE, or MRSIGNER with ISVProdID and ISVSVN.  Only UpToDate platforms unless named.",
    {
        "MRENCLAVE": _hex(32, "Measurement of the enclave"),
        "UniqueID": _hex(32, "The same as MRENCLAVE"),
        "MRSIGNER": _hex(32, "Hash of the signer's key"),
        "ISVProdID": _whole(0xFFFF, "The signer's number of the product, exactly."),
        "ISVSVN": _whole(0xFFFF, "Lowest accepted security version."),
        "AcceptedTCBStatuses": _STATUSES,
        "AcceptedAdvisories": _ADVISORIES,
    },
)
_TDX: Final = _struct(
    "A TDX virtual machine.  Only UpToDate platforms unless named.",
    {
        "MRTD": _hex(48, "Measurement of the initial memory (firmware)"),
        **{f"RTMR{index}": _hex(48, f"Run-time measurement register {index}") for index in range(4)},
        "MRConfigID": _hex(48, "Configuration identity"),
        "MROwner": _hex(48, "Owner's identity"),
        "MROwnerConfig": _hex(48, "Owner's configuration"),
        "AcceptedTCBStatuses": _STATUSES,
        "AcceptedAdvisories": _ADVISORIES,
    },
)
PACKAGE: Final = _struct(
    "A program, by what proves it.  SGX and TDX beside each other are alternatives.",
    {
        "SGX": _SGX,
        "TDX": _TDX,
        "Debug": {"type": "boolean", "default": False, "description": "Must equal the evidence's debug flag."},
        "UniqueID": _hex(32, "MRENCLAVE (MarbleRun's name)", may_be_empty=True),
        "SignerID": _hex(32, "MRSIGNER (MarbleRun's name)", may_be_empty=True),
        "ProductID": _whole(UINT64, "ISVPRODID, exactly (MarbleRun's name).", null=True),
        "SecurityVersion": _whole(UINT64, "Lowest accepted ISVSVN (MarbleRun's name).", null=True),
        "AcceptedTCBStatuses": _texts(
            "Platform states accepted besides UpToDate; none named: SWHardeningNeeded.",
            {"type": "string", "enum": [*TCB_STATUSES], "x-ignorable": True},
        ),
        "AcceptedAdvisories": _ADVISORIES,
    },
)

_FILE: Final[Schema] = {
    "description": "Text with templates, or Data with its Encoding.",
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "Data": {"type": "string", "description": "The content."},
                "Encoding": _any_case("string", "base64", "hex"),
                "NoTemplates": {"type": "boolean", "default": False, "description": "Leave braces alone."},
            },
            "additionalProperties": False,
        },
    ],
    "examples": ["{{ pem .MarbleRun.RootCA.Cert }}", {"Data": "aGVsbG8=", "Encoding": "base64"}],
}
_MARBLE: Final = _struct(
    "A service.",
    {
        "Package": {"type": "string", "description": "Name of its package."},
        "MaxActivations": _whole(UINT64, "How often it may start over the deployment's life; 0: without limit."),
        "Parameters": _struct(
            "What it is given when it has proven itself.",
            {
                "Files": _map(_FILE, "Path to content."),
                "Env": _map(_FILE, "Variable to value."),
                "Argv": _texts("Arguments, the program's name first; no templates."),
            },
        ),
        "TLS": _texts("Names of TLS tags."),
        "DisableSecretBinding": {
            "type": "boolean",
            "default": False,
            "description": "Leave the marble's type out of its keys' derivation.",
        },
    },
    required=["Package"],
)

_LATER_CERTIFICATE_LISTS: Final = (
    "SubjectKeyId",
    "OCSPServer",
    "IssuingCertificateURL",
    "CRLDistributionPoints",
    "PermittedDNSDomains",
    "ExcludedDNSDomains",
    "PermittedIPRanges",
    "ExcludedIPRanges",
    "PermittedEmailAddresses",
    "ExcludedEmailAddresses",
    "PermittedURIDomains",
    "ExcludedURIDomains",
    "PolicyIdentifiers",
    "Policies",
    "ExtraExtensions",
)
LATER_CERTIFICATE_FIELDS: Final = (*_LATER_CERTIFICATE_LISTS, "PermittedDNSDomainsCritical")
_SUBJECT_LISTS: Final = (
    "Country",
    "Organization",
    "OrganizationalUnit",
    "Locality",
    "Province",
    "StreetAddress",
    "PostalCode",
)
_CERTIFICATE: Final = _struct(
    "What a generated certificate says; names are those of Go's x509.Certificate.",
    {
        "Subject": _struct(
            "Its subject.",
            {
                **{name: _texts(f"{name}.") for name in _SUBJECT_LISTS},
                "SerialNumber": {"type": "string", "description": "The subject's serial number."},
                "CommonName": {"type": "string", "description": "Common name."},
                "ExtraNames": {"type": ["array", "null"], "description": "Not yet supported."},
            },
        ),
        "DNSNames": _texts("Default: localhost; an empty list: none."),
        "IPAddresses": _texts("Default: 127.0.0.1 and ::1; an empty list: none."),
        "EmailAddresses": _texts("E-mail addresses."),
        "URIs": {
            "type": ["array", "null"],
            "description": "URIs by their parts.",
            "items": {
                "type": "object",
                "properties": {
                    "Scheme": {"type": "string"},
                    "Host": {"type": "string"},
                    "Path": {"type": "string"},
                    "RawQuery": {"type": "string"},
                    "Fragment": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
        "KeyUsage": _whole(0x1FF, "Go's bits; default 33 (digitalSignature, certSign)."),
        "ExtKeyUsage": _texts(
            "Go's numbers; default 1 and 2 (serverAuth, clientAuth).",
            {"type": "integer", "minimum": 0, "maximum": 13},
        ),
        "UnknownExtKeyUsage": _texts(
            "Further usages as object identifiers.",
            {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": UINT32}},
        ),
        "IsCA": {"type": "boolean", "default": False, "description": "Whether it may sign certificates."},
        "MaxPathLen": {"type": "integer", "minimum": -1, "maximum": 255, "description": "Path length; needs IsCA."},
        "MaxPathLenZero": {"type": "boolean", "description": "Whether a MaxPathLen of 0 is meant."},
        "NotAfter": {
            "type": "string",
            "description": "End of validity (RFC 3339); not together with ValidFor.",
            "examples": ["2031-05-06T07:08:09Z"],
        },
        "SignatureAlgorithm": {"type": "integer", "enum": [0, 10, 11, 12], "description": "Go's number; ECDSA only."},
        **{
            name: {"type": ["array", "string", "null"], "description": "Not yet supported."}
            for name in _LATER_CERTIFICATE_LISTS
        },
        "PermittedDNSDomainsCritical": {"type": "boolean", "description": "Not yet supported."},
    },
)
SECRET_TYPES: Final = ("symmetric-key", "cert-rsa", "cert-ecdsa", "cert-ed25519", "plain")
_SECRET: Final = _struct(
    "A secret that the Coordinator makes, or that a user sets.",
    {
        "Type": {"type": "string", "enum": [*SECRET_TYPES], "description": "What it is."},
        "Size": _whole(1 << 23, "Bits: of the key; none for cert-ed25519 and plain."),
        "Shared": {"type": "boolean", "default": False, "description": "One for all, or one for each marble."},
        "UserDefined": {"type": "boolean", "default": False, "description": "Set by a user, not made."},
        "ValidFor": _whole(2_500_000, "Days that a certificate is valid; 0: 365."),
        "Cert": {"anyOf": [_CERTIFICATE, {"type": "string"}]},
        "Private": _BYTES,
        "Public": _BYTES,
    },
    required=["Type"],
)
_TLS_TAG: Final = _struct(
    "Which connections are secured for a marble.",
    {
        "Incoming": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "properties": {
                    "Port": {"type": "string", "description": "The port, quoted.", "examples": ["8443"]},
                    "Addr": {"type": "string", "description": "Has no effect."},
                    "Cert": {"type": "string", "description": "Secret whose certificate is shown."},
                    "DisableClientAuth": {"type": "boolean", "description": "Let any client in; needs Cert."},
                },
                "additionalProperties": False,
            },
        },
        "Outgoing": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "properties": {
                    "Addr": {"type": "string", "description": "Host name or address."},
                    "Port": {"type": "string", "description": "The port, quoted.", "examples": ["8443"]},
                    "Cert": {"type": "string", "description": "Has no effect."},
                    "DisableClientAuth": {"type": "boolean", "description": "Has no effect."},
                },
                "additionalProperties": False,
            },
        },
    },
)
_USER: Final = _struct(
    "Who may change or read something.",
    {
        "Certificate": {"type": "string", "description": "Certificate in PEM."},
        "Roles": _texts("Names of roles."),
    },
)
_ROLE: Final = _struct(
    "A permission.",
    {
        "ResourceType": {"type": "string", "enum": ["Packages", "Secrets", "Manifest"], "description": "Of what."},
        "ResourceNames": _texts("Which of them; none for Manifest."),
        "Actions": _texts(
            "What may be done.",
            _any_case("UpdateSecurityVersion", "ReadSecret", "WriteSecret", "UpdateManifest"),
        ),
    },
    required=["ResourceType"],
)
_INFRASTRUCTURE: Final = _struct(
    "Not yet supported.",
    {
        "CPUSVN": _BYTES,
        "QESVN": _whole(0xFFFF, "Not yet supported.", null=True),
        "PCESVN": _whole(0xFFFF, "Not yet supported.", null=True),
        "RootCA": _BYTES,
    },
)
_CONFIG: Final = _struct(
    "How the Coordinator behaves.",
    {
        "SealMode": {
            "type": "string",
            "enum": ["", "ProductKey", "UniqueKey", "Disabled"],
            "description": "Which Coordinator can unseal the state: the same product, the same build, or none.",
        },
        "FeatureGates": _texts(
            "Not yet supported.", _any_case("SignQuoteEndpoint", "MonotonicCounter", "AzureHSMSealing")
        ),
        "UpdateThreshold": _whole(UINT64, "Not yet supported."),
        "RecoveryThreshold": _whole(UINT64, "Not yet supported."),
        "RotateRootSecret": {"type": "boolean", "description": "Not yet supported."},
    },
)

MANIFEST: Final[Schema] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:enclasp:manifest:1",
    "title": "Enclasp manifest",
    **_struct(
        "What may run, proven by which evidence, with which parameters, secrets and certificates.",
        {
            "Packages": {**_map(PACKAGE, "Programs by name."), "type": "object", "minProperties": 1},
            "Marbles": {**_map(_MARBLE, "Services by name."), "type": "object", "minProperties": 1},
            "Secrets": _map(_SECRET, "Secrets by name."),
            "TLS": _map(_TLS_TAG, "TLS tags by name."),
            "Users": _map(_USER, "Not yet supported."),
            "Roles": _map(_ROLE, "Not yet supported."),
            "RecoveryKeys": _map({"type": "string"}, "Not yet supported."),
            "Infrastructures": _map(_INFRASTRUCTURE, "Not yet supported."),
            "Config": _CONFIG,
        },
        required=["Packages", "Marbles"],
    ),
    "type": "object",
}
