"""The shape of a manifest as JSON Schema 2020-12: the source for the check and for editors.

`manifests/manifest.schema.json` is this value; a test compares.  `x-expected` words a pattern for people, `x-named`
marks a field that takes several values with names, `x-ignorable` what MarbleRun takes and ignores.
"""

from typing import Final

from coordinator.manifest.duration import duration_text
from coordinator.manifest.schema_packages import PACKAGE
from coordinator.manifest.schema_parts import (
    UINT32,
    UINT64,
    any_case,
    form,
    hex_text,
    map_of,
    ours,
    struct,
    switch,
    texts,
    whole,
)
from coordinator.manifest.schema_parts import Schema as Schema

_BYTES: Final[Schema] = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
        {"type": "null"},
    ],
}


def _octets(what: str) -> Schema:
    return {**_BYTES, "description": f"{what}, base64 or a list of numbers."}


_FILE: Final[Schema] = {
    "description": "Text with templates, or Data with its Encoding.",
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "Data": {"type": "string", "description": "The content."},
                "Encoding": {**any_case("string", "base64", "hex", ""), "description": "How Data is written."},
                "NoTemplates": {"type": "boolean", "default": False, "description": "Leave braces alone."},
            },
            "additionalProperties": False,
        },
    ],
    "examples": ["{{ pem .MarbleRun.RootCA.Cert }}", {"Data": "aGVsbG8=", "Encoding": "base64"}],
}
_MARBLE: Final = struct(
    "A service.",
    {
        "Package": {"type": "string", "description": "Name of its package."},
        "MaxActivations": whole(UINT64, "How often it may start over the deployment's life; 0: without limit."),
        "Parameters": struct(
            "What it is given when it has proven itself.",
            {
                "Files": map_of(_FILE, "Path to content."),
                "Env": map_of(_FILE, "Variable to value."),
                "Argv": texts("Arguments, the program's name first; no templates."),
            },
        ),
        "TLS": texts("Names of TLS tags."),
        "DisableSecretBinding": {
            "type": "boolean",
            "default": False,
            "description": "Leave the marble's type out of its keys' derivation.",
        },
        "MaxActivationsPerVendor": ours(
            whole(
                UINT64,
                "How often it may start on hardware of one vendor (Intel, AMD, AWS, Arm), so that instances stand on "
                "hardware of several; 0: without limit.",
            )
        ),
        "RequireFreshEvidence": ours(
            {
                "type": "boolean",
                "default": False,
                "description": "Its evidence has to bind a nonce of the coordinator's, so that it is of this moment. "
                "MarbleRun's own marbles cannot; those of `enclasp marble run` do so always.",
            }
        ),
        "CertificateLifetime": ours(
            duration_text(
                "How long its own certificate is valid; at least 10m, and no longer than a certificate secret of its "
                "own. `enclasp marble run` renews it in the marble's files after two thirds of it. Default: 1h with "
                "RenewalSignal, else 365d; in MarbleRun's style without end.",
                "1h",
            )
        ),
        "RenewalSignal": ours(
            {
                "type": "string",
                "enum": ["SIGHUP", "SIGUSR1", "SIGUSR2"],
                "description": "What the program is sent when the certificates in its files were renewed, so that it "
                "reads them again. A program that does not handle the signal is ended by it. Default: nothing.",
            }
        ),
    },
    required=["Package"],
)

_IDENTIFIER: Final[Schema] = {
    "type": "array",
    "description": "An object identifier, number by number.",
    "items": {"type": "integer", "minimum": 0, "maximum": UINT32},
}
_RANGES: Final[Schema] = {
    "type": "object",
    "description": "A range of IP addresses.",
    "properties": {
        "IP": {"type": "string", "description": "The first address.", "examples": ["192.0.2.0"]},
        "Mask": {"type": "string", "description": "The mask, in base64.", "examples": ["////AA=="]},
    },
    "additionalProperties": False,
}


def _constraints(side: str, who: str) -> Schema:
    """Names below which an authority may, or may not, issue (RFC 5280, 4.2.1.10)."""
    return {
        f"{side}DNSDomains": texts(f"DNS domains that {who} certify."),
        f"{side}IPRanges": texts(f"IP addresses that {who} certify.", _RANGES),
        f"{side}EmailAddresses": texts(f"Mailboxes, hosts or domains of e-mail that {who} certify."),
        f"{side}URIDomains": texts(f"Hosts or domains of URIs that {who} certify."),
    }


_SUBJECT_LISTS: Final = (
    "Country",
    "Organization",
    "OrganizationalUnit",
    "Locality",
    "Province",
    "StreetAddress",
    "PostalCode",
)
_CERTIFICATE: Final = struct(
    "What a generated certificate says; names are those of Go's x509.Certificate.",
    {
        "Subject": struct(
            "Its subject.",
            {
                **{name: texts(f"{name}.") for name in _SUBJECT_LISTS},
                "SerialNumber": {"type": "string", "description": "The subject's serial number."},
                "CommonName": {"type": "string", "description": "Common name."},
                "ExtraNames": texts(
                    "Further attributes, which override others of their type.",
                    {
                        "type": "object",
                        "description": "An attribute.",
                        "properties": {
                            "Type": _IDENTIFIER,
                            "Value": {"type": "string", "description": "Its text."},
                        },
                        "required": ["Type", "Value"],
                        "additionalProperties": False,
                    },
                ),
            },
        ),
        "DNSNames": texts("Default: localhost; an empty list: none."),
        "IPAddresses": texts("Default: 127.0.0.1 and ::1; an empty list: none."),
        "EmailAddresses": texts("E-mail addresses."),
        "URIs": {
            "type": ["array", "null"],
            "description": "URIs by their parts.",
            "items": {
                "type": "object",
                "description": "A URI.",
                "properties": {
                    "Scheme": {"type": "string", "description": "Such as https or spiffe."},
                    "Host": {"type": "string", "description": "Host, and port where it has one."},
                    "Path": {"type": "string", "description": "From the slash on."},
                    "RawQuery": {"type": "string", "description": "Behind the question mark."},
                    "Fragment": {"type": "string", "description": "Behind the number sign."},
                },
                "additionalProperties": False,
            },
        },
        "KeyUsage": whole(0x1FF, "Go's bits; default 33 (digitalSignature, certSign)."),
        "ExtKeyUsage": texts(
            "Go's numbers; default 1 and 2 (serverAuth, clientAuth).",
            {"type": "integer", "minimum": 0, "maximum": 13},
        ),
        "UnknownExtKeyUsage": texts(
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
        "SubjectKeyId": {**_BYTES, "description": "Identifier of the key; default: of its public key, if IsCA."},
        "OCSPServer": texts("URLs of OCSP responders."),
        "IssuingCertificateURL": texts("URLs of the issuer's certificate."),
        "CRLDistributionPoints": texts("URLs of revocation lists."),
        **_constraints("Permitted", "it may"),
        **_constraints("Excluded", "it may not"),
        "PermittedDNSDomainsCritical": switch("Whether the constraints of names are critical."),
        "PolicyIdentifiers": texts("Policies as object identifiers.", _IDENTIFIER),
        "Policies": texts("Policies as dotted object identifiers."),
        "ExtraExtensions": texts(
            "Further extensions.",
            {
                "type": "object",
                "description": "An extension.",
                "properties": {
                    "Id": _IDENTIFIER,
                    "Critical": {"type": "boolean", "description": "Whether who does not know it must refuse."},
                    "Value": {"type": "string", "description": "DER, in base64."},
                },
                "required": ["Id", "Value"],
                "additionalProperties": False,
            },
        ),
    },
)
ALPHABETS: Final = ("Alphanumeric", "Letters", "Digits", "Hex", "Unambiguous", "Printable")
_READ_APPROVAL: Final = struct(
    "Users read the value only when others approve this very reading: those with a role that allows ApproveRead. "
    "Marbles get it as ever.",
    {
        "Threshold": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
            "description": "How many people must approve; who asks and may approve too counts as one of them.",
            "examples": [2],
        },
        "Expiry": duration_text(
            "How long a request waits for approvals, and may be answered; at most 90d. Default: 1d.", "8h"
        ),
        "Delay": duration_text(
            "How long after it was asked for the value is given at the earliest, so that people see the request and "
            "can stop it; at most 90d. Default: as soon as it is approved.",
            "1h",
        ),
    },
    required=["Threshold"],
)
SECRET_TYPES: Final = ("symmetric-key", "cert-rsa", "cert-ecdsa", "cert-ed25519", "plain", "generated-password")
_SECRET: Final = struct(
    "A secret that the Coordinator makes, or that a user sets.",
    {
        "Type": {"type": "string", "enum": [*SECRET_TYPES], "description": "What it is."},
        "Size": whole(1 << 23, "Bits: of the key; none for cert-ed25519, plain and generated-password."),
        "Shared": {"type": "boolean", "default": False, "description": "One for all, or one for each marble."},
        "UserDefined": {"type": "boolean", "default": False, "description": "Set by a user, not made."},
        "ValidFor": whole(2_500_000, "Days that a certificate is valid; 0: 365."),
        "OnUpdate": ours(
            {
                "type": "string",
                "enum": ["Keep", "Rotate"],
                "description": "What an update of the manifest does to a shared value whose definition stays: keep it, "
                "or make it anew (`.Previous` has the old one). Certificates are always made anew.",
            }
        ),
        "ReadApproval": ours({**_READ_APPROVAL, "type": "object"}),
        "Length": ours(
            {
                "type": "integer",
                "minimum": 8,
                "maximum": 256,
                "default": 32,
                "description": "Characters of a password.",
            }
        ),
        "Alphabet": ours(
            {
                "type": "string",
                "enum": [*ALPHABETS],
                "default": "Alphanumeric",
                "description": "Of which characters a password is made; Unambiguous has no 0, O, 1, I and l, "
                "Printable all of ASCII but the space.",
            }
        ),
        "Characters": ours(
            form(
                "^[!-~]{2,94}$",
                "2 to 94 printable characters of ASCII, no space",
                "The characters of a password one by one, instead of Alphabet.",
                "abcdefghkmnpqrstuvwxyz23456789-_",
            )
        ),
        "Cert": {
            "description": "What a generated certificate says, or the value of a user-defined one (not in a manifest).",
            "anyOf": [_CERTIFICATE, {"type": "string"}],
        },
        "Private": _octets("Value of a user-defined secret (not in a manifest)"),
        "Public": _octets("Value of a user-defined secret (not in a manifest)"),
    },
    required=["Type"],
)
_TLS_TAG: Final = struct(
    "Which connections are secured for a marble.",
    {
        "Incoming": {
            "type": ["array", "null"],
            "description": "Ports that the marble listens on.",
            "items": {
                "type": "object",
                "description": "A port.",
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
            "description": "Addresses that the marble connects to.",
            "items": {
                "type": "object",
                "description": "An address.",
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
_USER: Final = struct(
    "Who may change or read something.",
    {
        "Certificate": {"type": "string", "description": "Certificate in PEM."},
        "Roles": texts("Names of roles."),
    },
)
_ROLE: Final = struct(
    "A permission.",
    {
        "ResourceType": {"type": "string", "enum": ["Packages", "Secrets", "Manifest"], "description": "Of what."},
        "ResourceNames": texts("Which of them; none for Manifest."),
        "Actions": texts(
            "What may be done.",
            any_case("UpdateSecurityVersion", "ReadSecret", "ApproveRead", "WriteSecret", "UpdateManifest"),
        ),
    },
    required=["ResourceType"],
)
_INFRASTRUCTURE: Final = struct(
    "Not enforced, by MarbleRun neither.",
    {
        "CPUSVN": _octets("Not enforced: CPU's security version"),
        "QESVN": whole(0xFFFF, "Not enforced, by MarbleRun neither.", null=True),
        "PCESVN": whole(0xFFFF, "Not enforced, by MarbleRun neither.", null=True),
        "RootCA": _octets("Not enforced: root certificate of the platforms"),
    },
)
_CONFIG: Final = struct(
    "How the Coordinator behaves.",
    {
        "SealMode": {
            "type": "string",
            "enum": ["", "ProductKey", "UniqueKey", "Disabled"],
            "description": "Which Coordinator can unseal the state: the same product, the same build, or none.",
        },
        "FeatureGates": texts(
            "What a deployment has to ask for; AzureHSMSealing is refused by this version.",
            any_case("SignQuoteEndpoint", "MonotonicCounter", "AzureHSMSealing"),
        ),
        "UpdateThreshold": whole(
            UINT64,
            "How many people must approve an update; 0: all who may. Users with one key are one person.",
        ),
        "UpdateExpiry": ours(duration_text("How long a proposed update waits for approvals. Default: 7d.", "7d")),
        "UpdateDelay": ours(
            duration_text(
                "How long after its proposal an update comes in force at the earliest, so that people see it before; "
                "at most 90d. Default: as soon as it is approved.",
                "2d",
            )
        ),
        "UpdateOverlap": ours(
            duration_text(
                "How long after an update certificates of before it are still trusted, so that marbles of both sides "
                "can talk; at most 90d. Default: not at all, as MarbleRun.",
                "1h",
            )
        ),
        "KeySources": ours(
            {
                "type": "array",
                "items": {"type": "string", "enum": ["Platform", "TPM", "PKCS11"]},
                "default": ["Platform"],
                "description": "What keeps the key of the state: each of them alone opens it again after a restart. "
                "Whoever can use a TPM or a token can read the state, and put one of his own in its place.",
            }
        ),
        "Coordinators": ours(
            texts(
                "Packages whose program may have the Coordinator's state: replicas of two versions at a time, and the "
                "next version. Default: other instances of the program that has it."
            )
        ),
        "RecoveryThreshold": whole(
            UINT64, "How many owners of recovery keys recover together: 0 is all, else from 2 to their number."
        ),
        "RotateRootSecret": {
            "type": "boolean",
            "description": "An update with this document makes the keys of all marbles anew (`.Previous` has the old).",
        },
    },
)

_UPDATE: Final = struct(
    "What this document says of the manifest that it replaces; without effect in a first manifest.",
    {
        "Replaces": hex_text(32, "Fingerprint of the manifest that it replaces: it can be an update of no other"),
        "LowersSecurityVersion": texts("Packages whose security version was raised, and may fall with this update."),
    },
)

MANIFEST: Final[Schema] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:enclasp:manifest:1",
    "title": "Enclasp manifest",
    **struct(
        "What may run, proven by which evidence, with which parameters, secrets and certificates.",
        {
            "Packages": {**map_of(PACKAGE, "Programs by name."), "type": "object", "minProperties": 1},
            "Marbles": {**map_of(_MARBLE, "Services by name."), "type": "object", "minProperties": 1},
            "Secrets": map_of(_SECRET, "Secrets by name."),
            "TLS": map_of(_TLS_TAG, "TLS tags by name."),
            "Users": map_of(_USER, "People by name, each known by a certificate."),
            "Roles": map_of(_ROLE, "Permissions by name, for users."),
            "RecoveryKeys": map_of(
                {"type": "string", "description": "A public key in PEM: RSA; or EC (P-256, P-384) or X25519."},
                "Keys whose owners can recover the Coordinator's state where its machine cannot, by name.",
            ),
            "Infrastructures": map_of(_INFRASTRUCTURE, "Not enforced, by MarbleRun neither."),
            "Config": _CONFIG,
            "Update": ours(_UPDATE),
        },
        required=["Packages", "Marbles"],
    ),
    "type": "object",
}
