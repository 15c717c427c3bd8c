"""The messages about manifests: code to title and hint.  E09x: legal, but this version does not do it yet."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "E001": ("the document cannot be read", "it must be UTF-8 text without byte order mark, YAML or JSON"),
    "E002": ("a key stands twice in the same place", "remove one of the two"),
    "E003": ("a YAML feature that manifests do not use", "no anchors, aliases, merge keys, tags or second documents"),
    "E004": ("an unquoted word that YAML tools read differently", "quote it, or write true, false or null"),
    "E005": ("an unquoted number that YAML tools read differently", "write it in decimal, or quote it"),
    "E006": ("unquoted text that would be read as a number", "quote it"),
    "E007": ("the document is too large or too deep", "at most 8 MiB, 64 levels and a million values"),
    "E010": ("unknown field", "compare with the list of known fields; names are case-sensitive"),
    "E011": ("a field is missing", "add it"),
    "E012": ("a value has the wrong form", "measurements are hex digits of the exact length"),
    "E013": ("a value is not one of those allowed", "choose one of those that are listed"),
    "E014": ("a value has the wrong type", "quote text, do not quote numbers"),
    "E015": ("a number is out of range", "keep it within the limits that are named"),
    "E016": ("encoded data cannot be decoded", "use standard base64 with padding, or pairs of hex digits"),
    "E020": ("a name that is not defined", "define it, or correct its spelling"),
    "E021": (
        "a package is not identified",
        "name MRENCLAVE, or MRSIGNER with ISVProdID and ISVSVN, or MRTD",
    ),
    "E022": ("a section is empty", "a manifest has at least one package and one marble"),
    "E023": ("a TLS tag contradicts itself", "Cert and DisableClientAuth belong together"),
    "E024": ("a secret cannot be made as defined", "see Type and Size in the manifest reference"),
    "E025": ("a certificate cannot be made as defined", "see Cert in the manifest reference"),
    "E026": ("a user, role or recovery key is not usable", "see Users, Roles and RecoveryKeys in the reference"),
    "E027": ("the configuration cannot be met", "see Config in the manifest reference"),
    "E028": ("a file path, variable or argument that no program can have", "no empty names, no NUL, no = in names"),
    "E029": ("something is accepted but will surprise", "see the text of the warning"),
    "E030": ("a template cannot be read", "see Templates in the manifest reference"),
    "E031": ("a template uses a secret that is not defined", "define it under Secrets, or correct its spelling"),
    "E032": ("a template cannot be rendered", "see Templates in the manifest reference"),
    "E090": ("users and roles come with a later version of Enclasp", "leave Users and Roles out for now"),
    "E091": ("recovery keys come with a later version of Enclasp", "leave RecoveryKeys out for now"),
    "E092": ("user-defined secrets come with a later version of Enclasp", "use a generated secret for now"),
    "E093": ("this part of Config comes with a later version of Enclasp", "leave it out for now"),
    "E094": ("infrastructures come with a later version of Enclasp", "leave Infrastructures out for now"),
    "E095": ("this certificate field comes with a later version of Enclasp", "leave it out for now"),
}
