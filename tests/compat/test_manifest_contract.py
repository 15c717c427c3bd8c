"""Section 3 of the contract, row by row: what a document of MarbleRun's means here, with `--compatible` and without.

Each row names its table in the contract.  `compatible` and `strict` are the codes of the errors; none is acceptance.
"""

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from attestation.claims import TcbStatus
from attestation.sgx.claims import SgxReferenceValues
from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.model import FeatureGate, Manifest, SealMode, SecretType
from coordinator.manifest.parse import examine, parse

KEYS = Path(__file__).parents[1] / "vectors" / "manifest" / "valid"
PEOPLE = json.loads((KEYS / "v37-update-threshold-first-action.json").read_text())
CERTIFICATES = [user["Certificate"] for user in PEOPLE["Users"].values()]
RECOVERY = json.loads((KEYS / "v12-recovery-all.json").read_text())["RecoveryKeys"]
U = "ab" * 32
Document = dict[str, Any]
Meaning = Callable[[Manifest], object]
SIGNED = {"SignerID": "cd" * 32, "ProductID": 0, "SecurityVersion": 0}


@dataclass(frozen=True)
class Row:
    """put: path to value in the smallest document (None removes).  means: what must be true of it when accepted."""

    contract: str
    what: str
    put: Document
    compatible: set[str] = field(default_factory=set)
    strict: set[str] | None = None
    means: Meaning = lambda manifest: True
    warns: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.contract} {self.what}".replace(" ", "-")


def package(manifest: Manifest) -> SgxReferenceValues:
    (values,) = manifest.packages["p"].alternatives
    assert isinstance(values, SgxReferenceValues)
    return values


def env(manifest: Manifest) -> bytes:
    return manifest.marbles["m"].parameters.env["E"].source


SECRET = {"Type": "symmetric-key", "Size": 128, "Shared": True}
WEB = {"Type": "cert-ecdsa", "Size": 256, "Shared": True}
ROWS = [
    # 3: decoding as Go's
    Row(
        "3",
        "key names match in any letter case",
        {"packages": {"p": {"uniqueid": U}}, "Packages": None},
        set(),
        {"E010", "E020"},
    ),
    Row("3", "unknown keys are ignored", {"Comment": "ours"}, set(), {"E010"}, warns={"E010"}),
    Row("3", "null is absent", {"Secrets": None, "Marbles/m/MaxActivations": None}, set(), {"E014"}),
    Row("3", "numbers are whole", {"Marbles/m/MaxActivations": 1.5}, {"E014"}),
    Row("3", "numbers are in range", {"Marbles/m/MaxActivations": -1}, {"E015"}),
    Row("3", "names are not restricted", {"Secrets": {"ü:x y": SECRET}}),
    # 3.1 packages
    Row("3.1", "UniqueID alone identifies", {}, means=lambda m: package(m).mrenclave == bytes.fromhex(U)),
    Row(
        "3.1",
        "SignerID, ProductID and SecurityVersion identify",
        {"Packages/p": SIGNED},
        means=lambda m: (package(m).isvprodid, package(m).isvsvn) == (0, 0),
    ),
    Row("3.1", "two of the three do not", {"Packages/p": {**SIGNED, "SecurityVersion": None}}, {"E021"}),
    Row("3.1", "UniqueID beside one of the three does not", {"Packages/p": {"UniqueID": U, "ProductID": 1}}, {"E021"}),
    Row(
        "3.1",
        "Debug turns the rule into a warning",
        {"Packages/p": {"Debug": True}},
        means=lambda m: package(m).debug,
        warns={"E021", "E029"},
    ),
    Row("3.1", "Debug false is demanded by default", {}, means=lambda m: not package(m).debug),
    Row("3.1", "a package that no marble uses is not looked at", {"Packages/q": {}}, set(), {"E021"}, warns={"E021"}),
    Row(
        "3.1",
        "SWHardeningNeeded is accepted where nothing is named",
        {},
        means=lambda m: package(m).tcb.accepted_statuses == {TcbStatus.SW_HARDENING_NEEDED},
    ),
    Row(
        "3.1",
        "AcceptedTCBStatuses replaces that",
        {"Packages/p": {"UniqueID": U, "AcceptedTCBStatuses": ["OutOfDate"]}},
        means=lambda m: package(m).tcb.accepted_statuses == {TcbStatus.OUT_OF_DATE},
    ),
    Row(
        "3.1",
        "an unknown status never matches",
        {"Packages/p": {"UniqueID": U, "AcceptedTCBStatuses": ["swhardeningneeded"]}},
        set(),
        {"E013"},
        means=lambda m: not package(m).tcb.accepted_statuses,
        warns={"E013"},
    ),
    Row(
        "3.1",
        "AcceptedAdvisories",
        {"Packages/p": {"UniqueID": U, "AcceptedAdvisories": ["INTEL-SA-1"]}},
        means=lambda m: package(m).tcb.accepted_advisories == {"INTEL-SA-1"},
    ),
    # 3.2 infrastructures
    Row(
        "3.2",
        "infrastructures are accepted and enforced by nobody",
        {"Infrastructures": {"i": {"QESVN": 2, "RootCA": [1, 2]}}},
        set(),
        {"E094"},
        warns={"E094"},
    ),
    # 3.3 marbles
    Row("3.3", "Package must exist", {"Marbles/m/Package": "q"}, {"E020"}),
    Row(
        "3.3",
        "MaxActivations counts",
        {"Marbles/m/MaxActivations": 2},
        means=lambda m: m.marbles["m"].max_activations == 2,
    ),
    Row("3.3", "TLS names tags that must exist", {"Marbles/m/TLS": ["t"]}, {"E020"}),
    Row(
        "3.3",
        "DisableSecretBinding",
        {"Marbles/m/DisableSecretBinding": True},
        means=lambda m: not m.marbles["m"].secret_binding,
    ),
    Row(
        "3.3",
        "Argv is never templated",
        {"Marbles/m/Parameters": {"Argv": ["{{ x }}"]}},
        means=lambda m: m.marbles["m"].parameters.argv == ("{{ x }}",),
    ),
    *(
        Row(
            "3.3",
            f"Encoding {encoding}",
            {"Marbles/m/Parameters": {"Env": {"E": {"Data": data, "Encoding": encoding}}}},
            means=lambda m: env(m) == b"hi",
        )
        for encoding, data in (("string", "hi"), ("base64", "aGk="), ("hex", "6869"), ("BASE64", "aGk="), ("", "hi"))
    ),
    Row(
        "3.3",
        "templates in encoded data are expanded",
        {"Marbles/m/Parameters": {"Env": {"E": {"Data": base64.b64encode(b"{{ 1 }}").decode(), "Encoding": "base64"}}}},
        means=lambda m: not m.marbles["m"].parameters.env["E"].is_plain,
    ),
    Row(
        "3.3",
        "NoTemplates leaves braces alone",
        {"Marbles/m/Parameters": {"Env": {"E": {"Data": "{{ x", "NoTemplates": True}}}},
        means=lambda m: env(m) == b"{{ x",
    ),
    Row("3.3", "a null file is an error", {"Marbles/m/Parameters": {"Env": {"E": None}}}, {"E014"}),
    Row("3.3", "environment variables have no NUL", {"Marbles/m/Parameters": {"Env": {"E": "a\0"}}}, {"E028"}),
    # 3.4 users
    Row("3.4", "a user needs a certificate", {"Users": {"u": {}}}, {"E011"}),
    Row(
        "3.4",
        "the first PEM block counts",
        {"Users": {"u": {"Certificate": "text\n" + CERTIFICATES[0] + CERTIFICATES[-1]}}},
        means=lambda m: len(m.users) == 1,
    ),
    Row("3.4", "roles must exist", {"Users": {"u": {"Certificate": CERTIFICATES[0], "Roles": ["r"]}}}, {"E020"}),
    Row(
        "3.4",
        "no two users have the same text",
        {"Users": {"u": {"Certificate": CERTIFICATES[0]}, "v": {"Certificate": CERTIFICATES[0]}}},
        {"E026"},
    ),
    # 3.5 roles
    Row(
        "3.5",
        "UpdateSecurityVersion on packages, in any letter case",
        {"Roles": {"r": {"ResourceType": "Packages", "ResourceNames": ["p"], "Actions": ["updatesecurityversion"]}}},
    ),
    Row(
        "3.5",
        "packages must exist",
        {"Roles": {"r": {"ResourceType": "Packages", "ResourceNames": ["q"], "Actions": ["UpdateSecurityVersion"]}}},
        {"E020"},
    ),
    Row(
        "3.5",
        "only user-defined secrets are written",
        {
            "Secrets": {"s": SECRET},
            "Roles": {"r": {"ResourceType": "Secrets", "ResourceNames": ["s"], "Actions": ["WriteSecret"]}},
        },
        {"E026"},
    ),
    Row(
        "3.5",
        "generated secrets of each marble are not read",
        {
            "Secrets": {"s": {**SECRET, "Shared": False}},
            "Roles": {"r": {"ResourceType": "Secrets", "ResourceNames": ["s"], "Actions": ["ReadSecret"]}},
        },
        {"E026"},
    ),
    Row(
        "3.5",
        "Manifest takes no names",
        {"Roles": {"r": {"ResourceType": "Manifest", "ResourceNames": ["p"], "Actions": ["UpdateManifest"]}}},
        {"E026"},
    ),
    Row("3.5", "ResourceType is required and has its case", {"Roles": {"r": {"ResourceType": "packages"}}}, {"E013"}),
    Row("3.5", "ResourceType missing", {"Roles": {"r": {}}}, {"E011"}),
    # 3.6 secrets
    *(
        Row(
            "3.6",
            f"Type {kind}",
            {"Secrets": {"s": {"Type": kind, "Size": size, "UserDefined": kind == "plain"}}},
            means=lambda m, kind=kind: m.secrets["s"].type is SecretType(kind),
        )
        for kind, size in (
            ("symmetric-key", 8),
            ("cert-rsa", 2048),
            ("cert-ecdsa", 224),
            ("cert-ed25519", 0),
            ("plain", 0),
        )
    ),
    Row("3.6", "Type has its case", {"Secrets": {"s": {"Type": "Symmetric-Key", "Size": 128}}}, {"E013"}),
    Row("3.6", "plain is user-defined", {"Secrets": {"s": {"Type": "plain"}}}, {"E024"}),
    Row("3.6", "Size of a key is a multiple of 8", {"Secrets": {"s": {"Type": "symmetric-key", "Size": 12}}}, {"E024"}),
    Row(
        "3.6",
        "a derived key has at most 65280 bits",
        {"Secrets": {"s": {"Type": "symmetric-key", "Size": 65288}}},
        {"E024"},
    ),
    Row(
        "3.6",
        "a shared key may be longer",
        {"Secrets": {"s": {"Type": "symmetric-key", "Size": 65288, "Shared": True}}},
    ),
    Row("3.6", "ECDSA sizes", {"Secrets": {"s": {"Type": "cert-ecdsa", "Size": 255}}}, {"E024"}),
    Row("3.6", "Ed25519 has no size", {"Secrets": {"s": {"Type": "cert-ed25519", "Size": 256}}}, {"E024"}),
    Row(
        "3.6",
        "ValidFor is 365 days by default",
        {"Secrets": {"s": WEB}},
        means=lambda m: m.secrets["s"].valid_days == 365,
    ),
    Row(
        "3.6",
        "ValidFor excludes NotAfter",
        {"Secrets": {"s": {**WEB, "ValidFor": 1, "Cert": {"NotAfter": "2031-01-01T00:00:00Z"}}}},
        {"E024"},
    ),
    Row(
        "3.6",
        "an empty list suppresses a default",
        {"Secrets": {"s": {**WEB, "Cert": {"DNSNames": []}}}},
        means=lambda m: m.secrets["s"].certificate.dns_names == (),
    ),
    Row(
        "3.6",
        "an absent list has the default",
        {"Secrets": {"s": {**WEB, "Cert": {"DNSNames": None}}}},
        means=lambda m: m.secrets["s"].certificate.dns_names is None,
    ),
    Row(
        "3.6",
        "a user-defined value in the manifest",
        {"Secrets": {"s": {"Type": "plain", "UserDefined": True, "Private": "YQ=="}}},
        {"E092"},
    ),
    # 3.7 recovery keys
    Row("3.7", "RSA keys in SPKI", {"RecoveryKeys": RECOVERY}, means=lambda m: len(m.recovery_keys) == len(RECOVERY)),
    Row("3.7", "other PEM is refused", {"RecoveryKeys": {"a": CERTIFICATES[0]}}, {"E026"}),
    # 3.8 TLS
    Row("3.8", "Port is text", {"TLS": {"t": {"Incoming": [{"Port": 443}]}}}, {"E014"}),
    Row("3.8", "Incoming needs Port", {"TLS": {"t": {"Incoming": [{}]}}}, {"E011"}),
    Row("3.8", "Outgoing needs Addr and Port", {"TLS": {"t": {"Outgoing": [{"Port": "1"}]}}}, {"E011"}),
    Row(
        "3.8",
        "Cert needs DisableClientAuth",
        {"Secrets": {"s": WEB}, "TLS": {"t": {"Incoming": [{"Port": "1", "Cert": "s"}]}}},
        {"E023"},
    ),
    Row(
        "3.8",
        "DisableClientAuth needs Cert",
        {"TLS": {"t": {"Incoming": [{"Port": "1", "DisableClientAuth": True}]}}},
        {"E023"},
    ),
    Row(
        "3.8",
        "the type of the secret is not checked",
        {"Secrets": {"s": SECRET}, "TLS": {"t": {"Incoming": [{"Port": "1", "Cert": "s", "DisableClientAuth": True}]}}},
        set(),
        {"E023"},
        warns={"E023"},
    ),
    # 3.9 config
    *(
        Row(
            "3.9",
            f"SealMode {mode}",
            {"Config": {"SealMode": mode}},
            means=lambda m, mode=mode: m.config.seal_mode is SealMode(mode),
        )
        for mode in ("ProductKey", "UniqueKey", "Disabled")
    ),
    Row("3.9", "SealMode is ProductKey by default", {}, means=lambda m: m.config.seal_mode is SealMode.PRODUCT_KEY),
    Row("3.9", "SealMode has its case", {"Config": {"SealMode": "disabled"}}, {"E013"}),
    Row(
        "3.9",
        "feature gates in any letter case",
        {"Config": {"FeatureGates": ["signquoteendpoint", "MONOTONICCOUNTER"]}},
        means=lambda m: m.config.feature_gates == set(FeatureGate),
    ),
    Row("3.9", "unknown gates are errors", {"Config": {"FeatureGates": ["Other"]}}, {"E013"}),
    Row("3.9", "AzureHSMSealing needs its environment", {"Config": {"FeatureGates": ["AzureHSMSealing"]}}, {"E027"}),
    Row("3.9", "UpdateThreshold is at most the number of updaters", {"Config": {"UpdateThreshold": 1}}, {"E027"}),
    Row(
        "3.9",
        "RecoveryThreshold of 1 is refused",
        {"RecoveryKeys": RECOVERY, "Config": {"RecoveryThreshold": 1}},
        {"E027"},
    ),
    Row(
        "3.9",
        "RecoveryThreshold is at most the number of keys",
        {"RecoveryKeys": RECOVERY, "Config": {"RecoveryThreshold": len(RECOVERY) + 1}},
        {"E027"},
    ),
    Row("3.9", "RotateRootSecret", {"Config": {"RotateRootSecret": True}}, means=lambda m: m.config.rotate_root_secret),
    # 3.10 templates; all of the language is in tests/manifest/test_template_*.py
    Row(
        "3.10",
        "raw is for files",
        {"Secrets": {"s": SECRET}, "Marbles/m/Parameters": {"Env": {"E": "{{ raw .Secrets.s }}"}}},
        {"E030"},
    ),
    Row(
        "3.10",
        "string is for variables",
        {"Marbles/m/Parameters": {"Files": {"/f": "{{ string .Secrets.s }}"}}},
        {"E030"},
    ),
    Row(
        "3.10",
        "an undefined secret is seen outside of functions too",
        {"Marbles/m/Parameters": {"Env": {"E": "{{ .Secrets.s }}"}}},
        set(),
        {"E031"},
        warns={"E031"},
    ),
    # 3.11 reserved names
    Row(
        "3.11",
        "reserved variables are overwritten",
        {"Marbles/m/Parameters": {"Env": {"MARBLE_PREDEFINED_ROOT_CA": "x"}}},
        warns={"E029"},
    ),
    Row("3.11", "EDG_ names are passed through", {"Marbles/m/Parameters": {"Env": {"EDG_X": "x"}}}, warns={"E029"}),
    # 3.12 consistency
    Row("3.12", "packages are not empty", {"Packages": {}}, {"E022"}),
    Row("3.12", "marbles are not empty", {"Marbles": {}}, {"E022"}),
]


def document(put: Document) -> Document:
    made: Document = {"Packages": {"p": {"UniqueID": U}}, "Marbles": {"m": {"Package": "p"}}}
    for path, value in put.items():
        *parents, last = path.split("/")
        node = made
        for key in parents:
            node = node[key]
        if value is None and path in ("Packages",):
            del node[last]
        else:
            node[last] = copy.deepcopy(value)
    return made


def said(row: Row, *, compatible: bool) -> tuple[Finding, ...]:
    return examine(json.dumps(document(row.put)).encode(), name="m.json", compatible=compatible).findings


def errors(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.code for finding in findings if finding.severity is Severity.ERROR}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_of_the_contract_holds_with_compatible(row: Row) -> None:
    findings = said(row, compatible=True)
    assert errors(findings) == row.compatible
    assert row.warns <= {finding.code for finding in findings}, "what surprises is told"
    if not row.compatible:
        manifest = parse(json.dumps(document(row.put)).encode(), name="m.json", compatible=True).manifest
        assert row.means(manifest)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_our_own_style_holds_it_too_or_refuses_with_a_line(row: Row) -> None:
    findings = said(row, compatible=False)
    expected = row.compatible if row.strict is None else row.strict
    assert errors(findings) == expected
    assert all(finding.line >= 1 and finding.hint for finding in findings)
    if not expected:
        assert row.means(parse(json.dumps(document(row.put)).encode(), name="m.json", compatible=False).manifest)


@pytest.mark.parametrize("section", [f"3.{number}" for number in range(1, 13)])
def test_every_section_has_rows(section: str) -> None:
    assert [row for row in ROWS if row.contract == section]


def test_3_repeated_keys_override_and_trailing_data_is_an_error() -> None:
    raw = b'{"Packages":{"p":{"UniqueID":"00","UniqueID":"%s"}},"Marbles":{"m":{"Package":"p"}}}' % U.encode()
    assert package(parse(raw, name="m", compatible=True).manifest).mrenclave == bytes.fromhex(U)
    assert "E002" in errors(examine(raw, name="m", compatible=False).findings)
    for compatible in (True, False):
        assert errors(examine(raw.replace(b'"00"', b'""') + b"x", name="m", compatible=compatible).findings) >= {"E001"}


def test_3_13_a_certificate_of_a_marble_lasts_as_marbleruns_in_its_style() -> None:
    assert parse(json.dumps(document({})).encode(), name="m", compatible=False).manifest.marbles["m"].lifetime is None
