"""The gallery of what can be wrong with a manifest: one document for each message code, and what is said of it.

`python -m tests.support.manifest_gallery` writes `docs/manifest-errors.md`; a test checks that it is current.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from coordinator.cli.check import check_document
from coordinator.manifest.codes import CODES
from coordinator.manifest.errors import Finding
from coordinator.manifest.report import render_findings

PAGE: Final = Path(__file__).parents[2] / "docs" / "manifest-errors.md"
NAME: Final = "manifest.yaml"
NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)

_PACKAGE: Final = f"""Packages:
  web:
    TDX:
      MRTD: "{"11" * 48}"
      RTMR1: "{"22" * 48}"
      RTMR2: "{"33" * 48}"
"""
_MARBLE: Final = """Marbles:
  web:
    Package: web
    MaxActivations: 2
"""
_CERTIFICATE: Final = """-----BEGIN CERTIFICATE-----
MIIBHjCBxqADAgECAhRTGKK6+X5HS3sm7C8+N4jMgNu3gDAKBggqhkjOPQQDAjAQ
MQ4wDAYDVQQDDAVhbGljZTAeFw0yNjAxMDEwMDAwMDBaFw0zNjAxMDEwMDAwMDBa
MBAxDjAMBgNVBAMMBWFsaWNlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFPsL
lpe2u1v1RgEdfxp7m5elsxq2uwqPIXxfpGnJj09FJJSx6GwYb2V6zuZQyfoxhQqJ
sEWbf2uczGPPHpavxDAKBggqhkjOPQQDAgNHADBEAiAO9c7V7ftoQ3CRW49tYZ8d
pTsD/qZ5u3/Vh9OrvTSrfwIgFXvkVZROqezSqL2xFNF5W5VH+fUCnBy2eQLkw1PE
4Jc=
-----END CERTIFICATE-----
"""
_KEY: Final = """Secrets:
  key:
    Type: symmetric-key
    Size: 256
"""


def _document(*, package: str = _PACKAGE, marble: str = _MARBLE, more: str = "") -> str:
    return package + marble + more


def _env(value: str) -> str:
    return _MARBLE + f"    Parameters:\n      Env:\n        {value}\n"


def _waiver(until: str) -> str:
    return f"      Waivers:\n        - {{Status: OutOfDate, Until: {until}, Reason: firmware ordered}}\n"


def _roles(held: str) -> str:
    certificate = "".join(f"      {line}\n" for line in _CERTIFICATE.splitlines())
    return (
        f"Users:\n  alice:\n    Roles: [{held}]\n    Certificate: |\n{certificate}"
        "Roles:\n  reader: {ResourceType: Secrets, ResourceNames: [key], Actions: [ReadSecret]}\n"
        "  approver: {ResourceType: Secrets, ResourceNames: [key], Actions: [ApproveRead]}\n"
    )


def _guarded(terms: str, held: str) -> str:
    """A secret with these terms, and alice, who has these roles."""
    return _KEY + f"    Shared: true\n    ReadApproval: {terms}\n" + _roles(held)


_USES_KEY: Final = _env('KEY: "{{ hex .Secrets.key }}"')
_SGX: Final = f"""Packages:
  web:
    SGX:
      MRENCLAVE: "{"11" * 32}"
"""

DOCUMENTS: Final[Mapping[str, str]] = {
    "E001": _document() + "Secrets: [\n",
    "E002": _document() + "Marbles:\n  other:\n    Package: web\n",
    "E003": _document(marble="Marbles:\n  web: &web\n    Package: web\n  other: *web\n"),
    "E004": _document(marble=_env("MODE: off")),
    "E005": _document(marble=_MARBLE.replace("2", "0o17")),
    "E006": _document(marble=_env("FMSPC: 00706E470000")),
    "E007": "Packages: " + "[" * 70 + "]" * 70 + "\n",
    "E010": _document(marble=_MARBLE.replace("MaxActivations", "MaxActivation")),
    "E011": _document(marble="Marbles:\n  web:\n    MaxActivations: 2\n"),
    "E012": _document(package=_PACKAGE.replace("11" * 48, "11" * 47)),
    "E013": _document(more=_KEY.replace("symmetric-key", "symetric-key")),
    "E014": _document(marble=_env("PORT: 8443")),
    "E015": _document(marble=_MARBLE.replace("2", "-1")),
    "E016": _document(marble=_MARBLE + "    Parameters:\n      Files:\n        /seed: {Data: AAE, Encoding: base64}\n"),
    "E020": _document(marble=_MARBLE.replace("Package: web", "Package: wbe")),
    "E021": _document(package=f'Packages:\n  web:\n    SignerID: "{"44" * 32}"\n    ProductID: 7\n'),
    "E022": _document(marble="Marbles: {}\n"),
    "E023": _document(
        marble=_MARBLE + "    TLS: [door]\n",
        more='TLS:\n  door:\n    Incoming:\n      - Port: "443"\n        DisableClientAuth: true\n',
    ),
    "E024": _document(more=_KEY.replace("256", "257")),
    "E025": _document(
        more="Secrets:\n  site:\n    Type: cert-ecdsa\n    Size: 256\n    Cert:\n      IPAddresses: [web.example]\n"
    ),
    "E026": _document(more="Users:\n  alice:\n    Certificate: alice.pem\n"),
    "E027": _document(more="Config:\n  RecoveryThreshold: 1\n"),
    "E028": _document(marble=_env('"A=B": value')),
    "E029": _document(marble=_MARBLE + "    Parameters:\n      Files:\n        etc/web.conf: text\n"),
    "E030": _document(marble=_env('KEY: "{{ hex .Secrets.key }"'), more=_KEY),
    "E031": _document(marble=_env('KEY: "{{ hex .Secrets.kye }}"'), more=_KEY),
    "E032": _document(marble=_env('KEY: "{{ pem .Secrets.key.Cert }}"'), more=_KEY),
    "E033": _document(
        package=f'Packages:\n  web:\n    TDX:\n      MRTD: {{new: "{"11" * 48}", old: "{"22" * 48}"}}\n'
        f'      RTMR1: {{new: "{"33" * 48}"}}\n'
    ),
    "E040": _document(package=_PACKAGE + f'  old:\n    SGX:\n      MRENCLAVE: "{"55" * 32}"\n'),
    "E041": _document(more=_KEY),
    "E042": _document(more='TLS:\n  door:\n    Incoming:\n      - Port: "8443"\n'),
    "E043": _document(marble=_USES_KEY, more=_KEY.replace("256", "64")),
    "E044": _document(
        package=f'Packages:\n  web:\n    SGX:\n      MRSIGNER: "{"44" * 32}"\n      ISVProdID: 7\n      ISVSVN: 2\n'
    ),
    "E045": _document(package=f'Packages:\n  web:\n    TDX:\n      MRTD: "{"11" * 48}"\n'),
    "E046": _document(marble=_USES_KEY, more=_KEY + "    Shared: true\n"),
    "E047": _document(
        marble="Marbles:\n  web:\n    Package: web\n" + _USES_KEY.removeprefix(_MARBLE),
        more=_KEY + "    Shared: true\n",
    ),
    "E049": _document(marble=_MARBLE + '    Parameters:\n      Argv: [web, --listen, "0.0.0.0:8443"]\n'),
    "E050": _document(marble=_MARBLE + "  admin:\n    Package: web\n    MaxActivations: 1\n"),
    "E051": _document(package=_SGX + "      AcceptedTCBStatuses: [OutOfDate]\n"),
    "E052": _document(marble=_env("DB_PASSWORD: correct horse battery staple")),
    "E053": _document(more="Config:\n  Coordinators: [web]\n"),
    "E063": _document(marble=_MARBLE.replace("  web:", '  "we\\u202eb":')),
    "E060": _document(package='Packages:\n  web:\n    TDX:\n      MRTD: "DECIDE: measurement of the firmware"\n'),
    "E070": _document(more="Secrets:\n  db:\n    Type: generated-password\n    Size: 256\n"),
    "E071": _document(more=_KEY + "    OnUpdate: Rotate\n"),
    "E073": _document(marble=_MARBLE + "    MaxActivationsPerVendor: 2\n"),
    "E072": _document(marble=_MARBLE + "    CertificateLifetime: 5m\n"),
    "E074": _document(
        marble=_MARBLE
        + "    CertificateLifetime: 1h\n    RequireFreshEvidence: true\n    Parameters:\n      Env:\n"
        + '        TLS_CERT: "{{ pem .MarbleRun.MarbleCert.Cert }}"\n'
    ),
    "E075": _document(
        marble=_MARBLE
        + "    CertificateLifetime: 1h\n    Parameters:\n      Files:\n"
        + '        /run/tls.crt: "{{ pem .MarbleRun.MarbleCert.Cert }}"\n'
    ),
    "E076": _document(marble=_MARBLE + "    RenewalSignal: SIGHUP\n    RequireFreshEvidence: true\n"),
    "V310": _document(more=_guarded("{Threshold: 2}", "approver")),
    "V311": _document(more=_KEY + "    ReadApproval: {Threshold: 1}\n"),
    "V312": _document(more=_guarded("{Threshold: 1, Delay: 91d}", "approver")),
    "V313": _document(more=_KEY + "    Shared: true\n" + _roles("approver")),
    "V314": _document(more=_guarded("{Threshold: 1}", "reader, approver")),
    "V315": _document(more=_guarded("{Threshold: 1}", "approver")),
    "E092": _document(more="Secrets:\n  token: {Type: plain, UserDefined: true, Private: c2VjcmV0}\n"),
    "E094": _document(more="Infrastructures:\n  cloud: {}\n"),
    "V301": _document(package=_SGX + _waiver("2026-06-10")),
    "V302": _document(package=_SGX + _waiver("2026-05-31")),
    "V320": _document(
        package=_PACKAGE + f'  next:\n    UniqueID: "{"22" * 32}"\n    Debug: true\n',
        more="Config:\n  Coordinators: [next]\n",
    ),
}

NOT_SHOWN: Final[Mapping[str, str]] = {
    "E017": "Said by `enclasp manifest sign` and `verify-signature`.",
    "E018": "Said by `enclasp manifest verify-signature`.",
    "E019": "No document is known that only the schema objects to: this code says that our two checks disagree.",
}


def findings(code: str) -> tuple[Finding, ...]:
    """What `enclasp manifest check` says of this code's document, of this code only."""
    raw = DOCUMENTS[code].encode()
    said = check_document(raw, name=NAME, compatible=False, now=NOON, remarks=True)
    return tuple(finding for finding in said if finding.code == code)


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for code, (title, hint) in sorted(CODES.items()):
        parts.append(f"## {code}: {title}\nRemedy: {hint}.\n")
        if code in NOT_SHOWN:
            parts.append(NOT_SHOWN[code] + "\n")
        else:
            parts.append(f"```text\n{render_findings(NAME, findings(code)[:1]).rstrip()}\n```\n")
    return "\n".join(parts)


_HEAD: Final = """# What can be said of a manifest

Every message of `enclasp manifest check`, with a place that deserves it. This page is made by
`python -m tests.support.manifest_gallery` from the documents that the tests check; do not edit it.

Errors refuse a manifest; warnings and infos do not. `--strict` gives exit code 9 on warnings, `--no-lint` leaves
E040 to E053 and the waivers out. `enclasp explain CODE` says title and remedy on the terminal.
"""

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
