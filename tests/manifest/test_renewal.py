"""Certificates that are renewed: which files, for how long, with which signal; and what a reviewer is told."""

import json
from datetime import timedelta
from typing import Any

import pytest

from coordinator.manifest.change import Gravity
from coordinator.manifest.diff import diff
from coordinator.manifest.explain import explain
from coordinator.manifest.lint import lint
from coordinator.manifest.model import Manifest
from coordinator.manifest.parse import parse
from coordinator.manifest.update_plan import plan_update

HOUR = timedelta(hours=1)
CERTIFICATE = {"/run/tls.crt": "{{ pem .MarbleRun.MarbleCert.Cert }}"}
TLS = {"door": {"Incoming": [{"Port": "8443"}]}}
SECRETS = {
    "key": {"Type": "symmetric-key", "Size": 128},
    "own": {"Type": "cert-ecdsa", "Size": 256, "ValidFor": 7},
    "shared": {"Type": "cert-ecdsa", "Size": 256, "ValidFor": 7, "Shared": True},
    "given": {"Type": "cert-ecdsa", "Size": 256, "UserDefined": True},
}


def document(
    files: dict[str, Any] | None = None, env: dict[str, Any] | None = None, config: Any = None, **fields: Any
) -> bytes:
    """One marble of our own style.  files, env: of it.  fields: its further ones."""
    web = {"Package": "p", "Parameters": {"Files": files or {}, "Env": env or {}}} | fields
    packages = {"p": {"SGX": {"MRENCLAVE": "11" * 32}}}
    parts = {"Packages": packages, "Marbles": {"web": web}, "Secrets": SECRETS, "TLS": TLS}
    return json.dumps(parts | ({"Config": config} if config else {})).encode()


def manifest(raw: bytes, *, compatible: bool = False) -> Manifest:
    return parse(raw, name="m", compatible=compatible).manifest


def remarks(raw: bytes) -> list[tuple[str, str]]:
    """Code and place of what is said of renewal."""
    found = lint(parse(raw, name="m", compatible=False))
    return [(finding.code, finding.path) for finding in found if finding.code in ("E074", "E075", "E076")]


@pytest.mark.parametrize(
    ("content", "renewed"),
    [
        ("{{ pem .MarbleRun.MarbleCert.Cert }}", True),
        ("{{ pem .MarbleRun.MarbleCert.Private }}", True),
        ("{{ pem .MarbleRun.RootCA.Cert }}", True),
        ('{{ pem (index .Secrets "own").Cert }}', True),
        ("{{ pem .Secrets.shared.Cert }}", True),
        ("{{ pem .Secrets.given.Cert }}", True),
        ("{{ range .Secrets }}{{ hex . }}{{ end }}", True),
        ("{{ hex .Secrets.key }}", False),
        ("{{ hex .Previous.Secrets.key }}", False),
        ("no template, and a word: MarbleRun", False),
        ({"Data": "{{ pem .MarbleRun.MarbleCert.Cert }}", "NoTemplates": True}, False),
    ],
)
def test_files_with_certificates_are_renewed_and_others_are_not(content: Any, renewed: bool) -> None:
    marble = manifest(document({"/f": content, "/plain": "as it is"})).marbles["web"]
    assert (("/f",) if renewed else ()) == marble.renewed


@pytest.mark.parametrize(
    ("fields", "lifetime"),
    [
        ({}, timedelta(days=365)),
        ({"RenewalSignal": "SIGUSR1"}, HOUR),
        ({"RenewalSignal": "SIGHUP", "CertificateLifetime": "2h"}, 2 * HOUR),
    ],
)
def test_an_hour_is_enough_where_the_program_is_told(fields: dict[str, Any], lifetime: timedelta) -> None:
    assert lifetime == manifest(document(CERTIFICATE, **fields)).marbles["web"].lifetime


@pytest.mark.parametrize(("secret", "lifetime"), [("own", 7), ("shared", 90), ("given", 90), ("key", 90)])
def test_it_ends_no_later_than_the_certificates_that_are_renewed_with_it(secret: str, lifetime: int) -> None:
    files = {"/f": f"{{{{ hex .Secrets.{secret}.Public }}}}"}
    found = manifest(document(files, CertificateLifetime="90d")).marbles["web"].lifetime
    assert timedelta(days=lifetime) == found


def test_marbleruns_documents_keep_their_certificates_without_end() -> None:
    web = {"Package": "p", "Parameters": {"Files": {"/f": "{{ pem .Secrets.own.Cert }}"}}}
    raw = {"Packages": {"p": {"UniqueID": "11" * 32}}, "Marbles": {"web": web}, "Secrets": SECRETS}
    assert manifest(json.dumps(raw).encode()).marbles["web"].lifetime is None
    assert manifest(document(CERTIFICATE), compatible=True).marbles["web"].lifetime is None


@pytest.mark.parametrize("signal", ["SIGKILL", "HUP", "sighup", "1"])
def test_only_signals_that_programs_take_for_this_are_sent(signal: str, refused: Any) -> None:
    raw = json.loads(document(CERTIFICATE, RenewalSignal=signal))
    assert [("E013", "/Marbles/web/RenewalSignal")] == [(one.code, one.path) for one in refused(raw)]


SHORT: dict[str, Any] = {"CertificateLifetime": "1h", "RequireFreshEvidence": True}
AT = "/Marbles/web/CertificateLifetime"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (document(CERTIFICATE, **SHORT), []),
        (document(CERTIFICATE, **SHORT, RenewalSignal="SIGHUP"), []),
        (document(CERTIFICATE), []),
        (document(CERTIFICATE, CertificateLifetime="31d"), []),
        (document({}, **SHORT), [("E074", AT)]),
        (document(CERTIFICATE, {"C": "{{ pem .MarbleRun.MarbleCert.Cert }}"}, **SHORT), [("E074", AT)]),
        (document(CERTIFICATE, {"C": "{{ hex .Secrets.key }}"}, **SHORT), []),
        (document(CERTIFICATE, **SHORT, TLS=["door"]), [("E074", AT)]),
        (document(CERTIFICATE, CertificateLifetime="30d"), [("E075", AT)]),
        (
            document({}, RenewalSignal="SIGHUP", RequireFreshEvidence=True),
            [("E074", "/Marbles/web"), ("E076", "/Marbles/web/RenewalSignal")],
        ),
    ],
    ids=[
        "in a file",
        "and told",
        "a year",
        "long",
        "in no file",
        "in a variable too",
        "another variable",
        "for a sidecar",
        "MarbleRun's may join",
        "told of nothing",
    ],
)
def test_a_certificate_that_ends_in_a_program_that_runs_is_warned_of(
    raw: bytes, expected: list[tuple[str, str]]
) -> None:
    assert expected == remarks(raw)


def test_variables_that_would_go_stale_are_named() -> None:
    raw = document(CERTIFICATE, {"CERT": "{{ pem .MarbleRun.MarbleCert.Cert }}"}, **SHORT, TLS=["door"])
    (finding,) = (one for one in lint(parse(raw, name="m", compatible=False)) if one.code == "E074")
    assert "certificate for 1 hour in CERT, MARBLE_TTLS_CONFIG" in finding.message


def test_a_reviewer_learns_what_changes_while_it_runs() -> None:
    always = explain(manifest(document(CERTIFICATE, **SHORT, RenewalSignal="SIGHUP")))["marbles"]["web"]["always"]
    assert "new certificates in /run/tls.crt while it runs, in time; its program is sent SIGHUP" in always
    assert not any("while it runs" in word for word in explain(manifest(document({})))["marbles"]["web"]["always"])


_SIGNALS: tuple[dict[str, Any], ...] = ({}, {"RenewalSignal": "SIGHUP"})


def test_another_signal_is_a_change() -> None:
    old, new = (manifest(document(CERTIFICATE, **SHORT, **more)) for more in _SIGNALS)
    (change,) = diff(old, new)
    assert (Gravity.CHANGES, "nothing", "SIGHUP") == (change.gravity, change.before, change.after)
    assert () == tuple(diff(new, new))


def test_a_plan_says_that_it_moves_by_itself() -> None:
    new = manifest(document(CERTIFICATE, **SHORT))
    words = plan_update(new, new, {}).marbles["web"]
    assert words.endswith("when it renews its certificate, valid for 1 hour, or is restarted")
    overlap = manifest(document(CERTIFICATE, config={"UpdateOverlap": "2h"}, **SHORT))
    assert "for 2:00:00, until then it renews its certificate" in plan_update(new, overlap, {}).marbles["web"]
    static = manifest(document({}))
    assert plan_update(static, static, {}).marbles["web"].endswith("when it is restarted")
