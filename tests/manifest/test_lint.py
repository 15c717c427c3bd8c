"""Remarks about legal manifests: each with a document that deserves it, beside one that does not."""

import copy
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from coordinator.manifest.codes import CODES
from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.lint import lint
from coordinator.manifest.lint_waivers import lint_waivers
from coordinator.manifest.parse import parse
from coordinator.manifest.schema_check import second_opinion

Document = dict[str, Any]

CLEAN: Document = {
    "Packages": {
        "web": {"TDX": {"MRTD": "11" * 48, "RTMR1": "22" * 48, "RTMR2": "33" * 48}},
        "db": {"SGX": {"MRENCLAVE": "44" * 32}},
    },
    "Marbles": {
        "web": {
            "Package": "web",
            "MaxActivations": 2,
            "TLS": ["door"],
            "Parameters": {
                "Argv": ["web", "--port=8443"],
                "Env": {"KEY": "{{ hex .Secrets.session }}", "TOKEN_FILE": "/run/token"},
            },
        },
        "db": {
            "Package": "db",
            "MaxActivations": 1,
            "Parameters": {
                "Env": {"KEY": "{{ hex .Secrets.session }}", "DB_PASSWORD": "{{ hex .Secrets.disk }}"},
                "Files": {"/tls.key": "{{ pem .Secrets.site.Private }}"},
            },
        },
    },
    "Secrets": {
        "session": {"Type": "symmetric-key", "Size": 256, "Shared": True},
        "disk": {"Type": "symmetric-key", "Size": 256},
        "site": {"Type": "cert-ecdsa", "Size": 256},
    },
    "TLS": {"door": {"Incoming": [{"Port": "8443"}]}},
}


def remarks(document: Document, *, compatible: bool = False) -> tuple[Finding, ...]:
    return lint(parse(json.dumps(document, indent=1).encode(), name="m.json", compatible=compatible))


def changed(path: str, value: Any) -> Document:
    """The clean document with one field set, or removed where the value is None."""
    document = copy.deepcopy(CLEAN)
    *parents, last = path.split("|")
    node = document
    for key in parents:
        node = node.setdefault(key, {})
    if value is None:
        del node[last]
    else:
        node[last] = value
    return document


def test_a_careful_manifest_deserves_no_remark() -> None:
    assert remarks(CLEAN) == ()


WEB = {"Package": "web", "MaxActivations": 1}
CASES: list[tuple[str, str, Any, Severity, str]] = [
    ("E040", "Packages|old", {"SGX": {"MRENCLAVE": "55" * 32}}, Severity.WARNING, "/Packages/old"),
    ("E041", "Secrets|spare", {"Type": "symmetric-key", "Size": 256}, Severity.WARNING, "/Secrets/spare"),
    ("E042", "TLS|spare", {"Outgoing": [{"Addr": "a", "Port": "1"}]}, Severity.WARNING, "/TLS/spare"),
    ("E043", "Secrets|disk|Size", 64, Severity.WARNING, "/Secrets/disk/Size"),
    ("E043", "Secrets|site|Size", 224, Severity.WARNING, "/Secrets/site/Size"),
    (
        "E044",
        "Packages|db|SGX",
        {"MRSIGNER": "44" * 32, "ISVProdID": 1, "ISVSVN": 2},
        Severity.INFO,
        "/Packages/db/SGX/MRSIGNER",
    ),
    (
        "E044",
        "Packages|db",
        {"SignerID": "44" * 32, "ProductID": 1, "SecurityVersion": 2},
        Severity.INFO,
        "/Packages/db/SignerID",
    ),
    ("E045", "Packages|web|TDX|RTMR2", None, Severity.INFO, "/Packages/web/TDX"),
    ("E046", "Secrets|disk|Shared", True, Severity.INFO, "/Secrets/disk/Shared"),
    ("E047", "Marbles|web|MaxActivations", 0, Severity.INFO, "/Marbles/web"),
    ("E049", "Marbles|web|TLS", None, Severity.INFO, "/Marbles/web"),
    ("E050", "Marbles|other", WEB, Severity.INFO, "/Packages/web"),
    (
        "E051",
        "Packages|db|SGX|AcceptedTCBStatuses",
        ["SWHardeningNeeded", "OutOfDate"],
        Severity.WARNING,
        "/Packages/db/SGX/AcceptedTCBStatuses",
    ),
    ("E053", "Config|Coordinators", ["web"], Severity.INFO, "/Packages/web/TDX"),
    (
        "E052",
        "Marbles|web|Parameters|Env|DB_PASSWORD",
        "hunter2",
        Severity.WARNING,
        "/Marbles/web/Parameters/Env/DB_PASSWORD",
    ),
    (
        "E052",
        "Marbles|web|Parameters|Files",
        {"/key": "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"},
        Severity.WARNING,
        "/Marbles/web/Parameters/Files/~1key",
    ),
]


def test_a_coordinator_whose_init_data_the_package_names_is_no_remark() -> None:
    document = changed("Config|Coordinators", ["web", "db"])
    document["Packages"]["web"]["TDX"]["MRConfigID"] = "66" * 48
    assert remarks(document) == ()


@pytest.mark.parametrize(("code", "path", "value", "severity", "where"), CASES)
def test_each_remark_has_its_place_reason_and_fix(
    code: str, path: str, value: Any, severity: Severity, where: str
) -> None:
    found = [remark for remark in remarks(changed(path, value)) if remark.code == code]
    assert [(severity, where)] == [(remark.severity, remark.path) for remark in found]
    assert found[0].message
    assert found[0].hint


def test_every_lint_code_has_a_case() -> None:
    assert {code for code in CODES if "E040" <= code < "E060"} == {code for code, *_ in CASES}


def test_a_remark_stands_at_the_line_of_its_key() -> None:
    document = changed("Secrets|spare", {"Type": "symmetric-key", "Size": 256})
    lines = json.dumps(document, indent=1).splitlines()
    (remark,) = (remark for remark in remarks(document) if remark.code == "E041")
    assert '"spare": {' in lines[remark.line - 1]


def test_a_secret_in_the_document_is_not_repeated() -> None:
    document = changed("Marbles|web|Parameters|Env|DB_PASSWORD", "hunter2")
    assert "hunter2" not in repr(remarks(document))


def test_a_password_that_is_made_by_a_template_is_fine() -> None:
    assert remarks(changed("Marbles|web|Parameters|Env|API_TOKEN", "{{ hex .Secrets.session }}")) == ()


def test_a_service_that_shows_its_own_certificate_needs_no_tag() -> None:
    document = changed("Marbles|web|TLS", None)
    document["TLS"] = {}
    document["Marbles"]["web"]["Parameters"]["Env"]["CRT"] = "{{ pem .MarbleRun.MarbleCert.Cert }}"
    assert remarks(document) == ()


def test_keys_in_another_letter_case_have_places_too() -> None:
    document = changed("Packages|old", {"SGX": {"MRENCLAVE": "55" * 32}})
    document["packages"] = document.pop("Packages")
    (remark,) = remarks(document, compatible=True)
    assert ("E040", "/packages/old") == (remark.code, remark.path)


def test_a_thousand_marbles_and_secrets_are_looked_at_in_less_than_three_seconds() -> None:
    document = copy.deepcopy(CLEAN)
    for number in range(1000):
        env = {"KEY": f"{{{{ hex .Secrets.s{number} }}}}"}
        document["Marbles"][f"m{number}"] = {"Package": "web", "Parameters": {"Env": env}}
        document["Secrets"][f"s{number}"] = {"Type": "symmetric-key", "Size": 256}
    raw = json.dumps(document).encode()
    before = time.process_time()
    parsed = parse(raw, name="m.json", compatible=False)
    assert second_opinion(parsed.document, parsed.root, parsed.findings) == ()
    assert {"E050"} == {remark.code for remark in lint(parsed)}
    assert time.process_time() - before < 3


@pytest.mark.parametrize(
    ("until", "codes"),
    [("2026-12-10", []), ("2026-12-09", ["V301"]), ("2026-11-25", ["V301"]), ("2026-11-24", ["V302"])],
)
def test_a_waiver_that_ends_soon_or_has_ended_is_told_at_its_day(until: str, codes: list[str]) -> None:
    waivers = [{"Status": "OutOfDate", "Until": until, "Reason": "ticket 7"}]
    package = {"AzureVTPM": {"TDX": {"MRTD": "11" * 48, "Waivers": waivers}, "PCR4": "22" * 32}}
    document = {"Packages": {"web": package}, "Marbles": {"web": {"Package": "web"}}}
    raw = json.dumps(document, indent=1).encode()
    parsed = parse(raw, name="m.json", compatible=False)

    remarks = lint_waivers(parsed, datetime(2026, 11, 25, 12, tzinfo=UTC))

    assert codes == [remark.code for remark in remarks]
    for remark in remarks:
        assert "/Packages/web/AzureVTPM/TDX/Waivers/0/Until" == remark.path
        assert until in raw.decode().splitlines()[remark.line - 1]
        assert "ticket 7" in remark.message
