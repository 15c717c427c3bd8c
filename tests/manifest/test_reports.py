"""Findings read well on a terminal and are stable data elsewhere."""

import json
from collections.abc import Callable
from typing import Any

from coordinator.manifest.codes import CODES
from coordinator.manifest.dry_run import check, dry_run, placeholder_context
from coordinator.manifest.errors import Finding, Severity
from coordinator.manifest.parse import Parsed
from coordinator.manifest.report import findings_json, render_findings

DOCUMENT = """Packages:
  web:
    TDX:
      MRTD: "{mrtd}"
Marbles:
  frontend:
    Package: web
    MaxActivation: 1
    Parameters:
      Env:
        CERT: "{{{{ pem .Secrets.tsl.Cert }}}}"
        KEY: "{{{{ hex .Secrets.tls.Kye }}}}"
Secrets:
  tls:
    Type: cert-ecdsa
    Size: 256
""".format(mrtd="00" * 48)


def test_a_finding_shows_its_line_a_caret_and_a_hint(certificate_der: bytes) -> None:
    findings = check(DOCUMENT.encode(), name="all.yaml", compatible=False, certificate_der=certificate_der)
    first, second, third = render_findings("all.yaml", findings).split("\n\n")
    assert first == (
        'error[E010]: unknown field "MaxActivation" in Marbles.frontend\n'
        " --> all.yaml:8:5\n"
        "  |\n"
        "8 |     MaxActivation: 1\n"
        "  |     ^^^^^^^^^^^^^\n"
        '  = hint: did you mean "MaxActivations"? '
        "known fields: Package, MaxActivations, Parameters, TLS, DisableSecretBinding, MaxActivationsPerVendor, "
        "RequireFreshEvidence, CertificateLifetime, RenewalSignal"
    )
    assert second == (
        'error[E031]: template uses secret "tsl", which is not defined\n'
        "  --> all.yaml:11:32\n"
        "   |\n"
        '11 |         CERT: "{{ pem .Secrets.tsl.Cert }}"\n'
        "   |                                ^^^\n"
        '   = hint: did you mean "tls"? defined secrets: tls'
    )
    assert third.startswith('error[E032]: marble "frontend", variable KEY: template: no field "Kye" in a secret\n')


def test_no_findings_render_as_nothing() -> None:
    assert render_findings("x", ()) == ""


def test_a_long_line_is_cut_around_the_place() -> None:
    line = "x" * 5000 + "HERE" + "y" * 5000
    finding = Finding("E010", Severity.ERROR, 1, 5001, "", "m", "h", 4, line)
    _, _, _, shown, caret, _ = render_findings("x", [finding]).splitlines()
    start = caret.index("^")
    assert shown[start : start + 4] == "HERE"
    assert len(shown) < 120


def test_a_document_cannot_send_control_sequences_to_the_terminal() -> None:
    finding = Finding("E010", Severity.ERROR, 1, 1, "", "\x1b[2Jm", "h\x07\u202e", 1, "\x1b]0;t\x07")
    text = render_findings("x\x1b", [finding])
    assert all(character.isprintable() or character == "\n" for character in text)


def test_findings_as_data_have_stable_keys(certificate_der: bytes) -> None:
    findings = check(DOCUMENT.encode(), name="all.yaml", compatible=True, certificate_der=certificate_der)
    data = json.loads(json.dumps(findings_json("all.yaml", findings)))
    assert data["valid"] is False
    assert list(data["findings"][0]) == ["code", "severity", "file", "line", "column", "path", "message", "hint"]
    assert data["findings"][0] | {"message": "", "hint": ""} == {
        "code": "E010",
        "severity": "warning",
        "file": "all.yaml",
        "line": 8,
        "column": 5,
        "path": "/Marbles/frontend/MaxActivation",
        "message": "",
        "hint": "",
    }


def test_warnings_alone_leave_a_document_valid() -> None:
    assert findings_json("x", [Finding("E029", Severity.WARNING, 1, 1, "", "m", "h")])["valid"] is True


def test_every_code_has_a_title_and_a_hint() -> None:
    for code, (title, hint) in CODES.items():
        assert code.startswith(("E0", "V30", "V31", "V32"))
        assert title
        assert hint


def test_the_dry_run_finds_what_only_rendering_tells(
    document: dict[str, Any], parsed: Callable[..., Parsed], certificate_der: bytes
) -> None:
    manifest = parsed(document).manifest
    assert dry_run(manifest, placeholder_context(manifest, certificate_der=certificate_der)) == ()
    document["Marbles"]["web"]["Parameters"]["Files"] = {"/f": "{{ index .Secrets.site.Cert.IPAddresses 9 }}"}
    manifest = parsed(document).manifest
    (finding,) = dry_run(manifest, placeholder_context(manifest, certificate_der=certificate_der))
    assert (finding.code, finding.path) == ("E032", "/Marbles/web/Parameters/Files/~1f")
    assert 'marble "web", file /f' in finding.message
    assert "out of range" in finding.message
