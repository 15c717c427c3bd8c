"""The messages about manifests: code to title and hint.  E09x: legal, but this version does not do it yet.

V30x: of waivers, whose words are the same for evidence.  V31x: of approvals that the reading of a secret needs.
V32x: of the coordinators that a manifest accepts.
"""

from collections.abc import Mapping
from typing import Final

from attestation import waivers

CODES: Final[Mapping[str, tuple[str, str]]] = {
    "E001": ("the document cannot be read", "it must be UTF-8 text without byte order mark, YAML or JSON"),
    "E002": ("a key stands twice in the same place", "remove one of the two"),
    "E003": ("a YAML feature that manifests do not use", "no anchors, aliases, merge keys, tags or second documents"),
    "E004": ("an unquoted word that YAML tools read differently", "quote it, or write true, false or null"),
    "E005": ("an unquoted number that YAML tools read differently", "write it in decimal, or quote it"),
    "E006": ("unquoted text that would be read as a number", "quote it"),
    "E007": (
        "the document is too large or too deep, or has too many errors",
        "at most 8 MiB, 64 levels and half a million values; a thousand errors are told",
    ),
    "E010": ("unknown field", "compare with the list of known fields; names are case-sensitive"),
    "E011": ("a field is missing", "add it"),
    "E012": ("a value has the wrong form", "measurements are hex digits of the exact length"),
    "E013": ("a value is not one of those allowed", "choose one of those that are listed"),
    "E014": ("a value has the wrong type", "quote text, do not quote numbers"),
    "E015": ("a number is out of range", "keep it within the limits that are named"),
    "E016": ("encoded data cannot be decoded", "use standard base64 with padding, or pairs of hex digits"),
    "E017": (
        "a signature, or a key for one, cannot be read",
        "`enclasp manifest sign` writes signatures; keys are PEM",
    ),
    "E018": ("the manifest is not signed by this key", "ask the signer, and sign again after every change"),
    "E019": ("the published schema objects", "compare with `enclasp manifest schema`; please report it"),
    "E020": ("a name that is not defined", "define it, or correct its spelling"),
    "E021": (
        "a package is not identified",
        "name the program's measurement on each platform, or its signer; see Packages in the manifest reference",
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
    "E033": (
        "values with names do not go together",
        "fields of one platform name the same releases, or wholly different ones; at most 64 combinations",
    ),
    "E040": ("a package is not used", "remove it, or let a marble name it"),
    "E041": ("a secret is not used", "remove it, or use it in a template or a TLS tag"),
    "E042": ("a TLS tag is not used", "remove it, or name it in a marble"),
    "E043": ("a key is weak", "256 bits for symmetric keys and for cert-ecdsa"),
    "E044": ("a package may change without a new manifest", "name MRENCLAVE, if each build shall be agreed on"),
    "E045": ("a virtual machine is known by its firmware only", "name the RTMRs that your image fixes"),
    "E046": ("a shared secret has one reader", "see whether each instance could have its own"),
    "E047": ("a marble with shared secrets starts without limit", "set MaxActivations, if you know the number"),
    "E049": ("a service seems to be reachable without TLS", "give it a TLS tag or a certificate"),
    "E050": ("several marbles are one program", "who starts it chooses which marble it becomes"),
    "E051": ("platforms with known holes are accepted", "update the platforms instead"),
    "E052": ("a value looks like a secret", "define it under Secrets; everybody may read a manifest"),
    "E053": (
        "a coordinator is accepted with any measured configuration, or none",
        "name the digest of its init-data in the package, as `enclasp coordinator init-data` prints it",
    ),
    "E060": ("a decision is still open", "write a value in the place of DECIDE:, or delete the comment that asks"),
    "E063": ("a text has characters that nobody sees", "remove them: what is signed should be what is read"),
    "E070": ("a password cannot be made as defined", "see Length, Alphabet and Characters in the manifest reference"),
    "E071": ("what an update does to this secret cannot be chosen", "see OnUpdate in the manifest reference"),
    "E072": ("a certificate's lifetime does not fit", "see CertificateLifetime in the manifest reference"),
    "E073": ("a limit by vendor says nothing", "see MaxActivationsPerVendor in the manifest reference"),
    "E074": (
        "a certificate ends while the program still has it",
        "put it into Files, where it is renewed, or make CertificateLifetime longer than the program runs",
    ),
    "E075": (
        "a marble that cannot renew its certificate may join",
        "set RequireFreshEvidence: true, so that only marbles join that can",
    ),
    "E076": ("a signal is never sent", "put .MarbleRun.MarbleCert into files, or remove RenewalSignal"),
    "V310": (
        "a reading can never have all its approvals",
        "give more users a role with ApproveRead for this secret, or lower ReadApproval.Threshold",
    ),
    "V311": (
        "a secret that no user can read has a ReadApproval",
        "remove it: only shared and user-defined secrets are read by users",
    ),
    "V312": ("a request cannot last that long", "ReadApproval.Expiry and Delay are at most 90d each"),
    "V313": (
        "a role approves the reading of a secret that needs no approval",
        "give the secret a ReadApproval, or leave it out of the role",
    ),
    "V314": (
        "one person alone can get round an approval",
        "raise the threshold that the text names, so that it takes two",
    ),
    "V315": ("nobody can ask for a secret that may be read", "give a user a role with ReadSecret for it"),
    "E092": (
        "the value of a user-defined secret stands in the manifest",
        "remove it, and set it with `enclasp secret set`; everybody may read a manifest",
    ),
    "E094": (
        "infrastructures are not enforced",
        "demand it of the platform in the package: AcceptedTCBStatuses, MinimumTCBDate, PPIDs",
    ),
    "V320": (
        "this cannot be an accepted coordinator",
        "name what proves a coordinator whose memory its host cannot read; see Config.Coordinators in the reference",
    ),
    **{code: waivers.CODES[code] for code in (waivers.WAIVER_ENDS, waivers.WAIVER_EXPIRED)},
}
