"""The rules of the language: each with a document that breaks it, beside one that does not."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.manifest.errors import Finding, ManifestInvalid, Severity
from coordinator.manifest.model import SealMode, SecretType, TlsIncoming, TlsOutgoing
from coordinator.manifest.parse import Parsed, parse
from coordinator.manifest.template.render import Place
from tests.support.people import person, same_key

Parse = Callable[..., Parsed]
Refuse = Callable[..., list[Finding]]
Document = dict[str, Any]


def put(document: Document, path: str, value: Any) -> Document:
    *parents, last = path.split("/")
    node = document
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = value
    return document


def test_a_manifest_is_read_whole(document: Document, parsed: Parse) -> None:
    result = parsed(document)
    manifest = result.manifest
    assert result.findings == ()
    web, database = manifest.marbles["web"], manifest.marbles["database"]
    assert (web.package, web.max_activations, web.tls, web.secret_binding) == ("web", 3, ("door",), True)
    assert (database.max_activations, database.secret_binding) == (0, False)
    assert web.secrets == {"session", "site"}
    assert database.secrets == frozenset()
    assert web.parameters.argv == ("web",)
    assert web.parameters.files["/etc/web"].source == b"\x00\x01\x02"
    assert manifest.secrets["session"].size == 256
    assert manifest.secrets["session"].valid_days == 0
    assert manifest.secrets["site"].type is SecretType.CERT_ECDSA
    assert manifest.secrets["site"].valid_days == 30
    assert manifest.tls["door"].incoming == (TlsIncoming("8443", "site", False),)
    assert manifest.tls["door"].outgoing == (TlsOutgoing("db.example", "5432"),)
    assert manifest.config.seal_mode is SealMode.PRODUCT_KEY


def test_the_fingerprint_is_of_the_exact_bytes(document: Document) -> None:
    for raw in (json.dumps(document).encode(), json.dumps(document, indent=2).encode() + b"\n"):
        manifest = parse(raw, name="m", compatible=False).manifest
        assert manifest.raw == raw
        assert manifest.fingerprint == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("Marblez", {}, "E010"),
        ("Marbles/web/MaxActivation", 1, "E010"),
        ("Marbles/web/package", "web", "E010"),
        ("Marbles/web/Package", "wbe", "E020"),
        ("Marbles/web/TLS", ["gate"], "E020"),
        ("Marbles/web/MaxActivations", -1, "E015"),
        ("Marbles/web/MaxActivations", 1.0, "E014"),
        ("Marbles/web/MaxActivations", True, "E014"),
        ("Marbles/web/MaxActivations", "3", "E014"),
        ("Marbles/web/Parameters/Argv", "web", "E014"),
        ("Marbles/web/Parameters/Argv", ["a\0b"], "E028"),
        ("Marbles/web/Parameters/Env/PORT", 8080, "E014"),
        ("Marbles/web/Parameters/Env/A", None, "E014"),
        ("Marbles/web/Parameters/Env/A=B", "", "E028"),
        ("Marbles/web/Parameters/Env/A", {"Data": "AA==", "Encoding": "base64"}, "E028"),
        ("Marbles/web/Parameters/Env/A", {"Data": "a?b", "Encoding": "base64"}, "E016"),
        ("Marbles/web/Parameters/Env/A", {"Data": "0a 0", "Encoding": "hex"}, "E016"),
        ("Marbles/web/Parameters/Env/A", {"Data": "x", "Encoding": "rot13"}, "E013"),
        ("Marbles/web/Parameters/Env/A", "{{ upper `x` }}", "E030"),
        ("Marbles/web/Parameters/Env/A", "{{ hex .Secrets.sesion }}", "E031"),
        ("Marbles/web/Parameters/Files/", "x", "E028"),
        ("Marbles/other", None, "E014"),
        ("Marbles/other", {}, "E011"),
        ("Secrets/s", {"Type": "password"}, "E013"),
        ("Secrets/s", {"Size": 256}, "E011"),
        ("Secrets/s", {"Type": "symmetric-key"}, "E024"),
        ("Secrets/s", {"Type": "symmetric-key", "Size": 12}, "E024"),
        ("Secrets/s", {"Type": "symmetric-key", "Size": 65288}, "E024"),
        ("Secrets/s", {"Type": "cert-rsa", "Size": 1016}, "E024"),
        ("Secrets/s", {"Type": "cert-rsa", "Size": 16384}, "E024"),
        ("Secrets/s", {"Type": "cert-ecdsa", "Size": 255}, "E024"),
        ("Secrets/s", {"Type": "cert-ed25519", "Size": 256}, "E024"),
        ("Secrets/s", {"Type": "plain"}, "E024"),
        ("Secrets/s", {"Type": "symmetric-key", "Size": 128, "Private": "AA=="}, "E024"),
        ("Secrets/s", {"Type": "plain", "UserDefined": True, "Private": "AAEC"}, "E092"),
        ("Secrets/site/Cert", {"NotAfter": "2031-05-06T07:08:09Z"}, "E024"),
        ("Secrets/site/ValidFor", 2_500_001, "E015"),
        ("Secrets/site/Cert", {"DNSNames": ["café.example"]}, "E025"),
        ("Secrets/site/Cert", {"IPAddresses": ["1.2.3"]}, "E025"),
        ("Secrets/site/Cert", {"MaxPathLen": 1}, "E025"),
        ("Secrets/site/Cert", {"URIs": [{"Host": "x"}]}, "E025"),
        ("Secrets/site/Cert", {"Subject": {"Country": ["Germany"]}}, "E025"),
        ("Secrets/site/Cert", "AAAA", "E025"),
        ("Secrets/site/Cert", {"EmailAddresses": ["a b <c>"]}, "E025"),
        ("Secrets/site/Cert", {"UnknownExtKeyUsage": [[9, 99]]}, "E025"),
        ("Secrets/site/Cert", {"KeyUsage": 128}, "E025"),
        ("Secrets/site/Cert", {"Subject": {"CommonName": "x" * 65}}, "E025"),
        ("Secrets/site/Cert", {"OCSPServer": ["http://é"]}, "E025"),
        ("Secrets/site/Cert", {"SubjectKeyId": "?"}, "E025"),
        ("Secrets/site/Cert", {"Policies": ["1.x"]}, "E025"),
        ("Secrets/site/Cert", {"PolicyIdentifiers": [[9, 9]]}, "E025"),
        ("Secrets/site/Cert", {"PermittedIPRanges": [{"IP": "192.0.2.1", "Mask": "////AA=="}]}, "E025"),
        ("Secrets/site/Cert", {"PermittedIPRanges": [{"IP": "192.0.2.0", "Mask": "/wD/AA=="}]}, "E025"),
        ("Secrets/site/Cert", {"PermittedIPRanges": [{"IP": "2001:db8::", "Mask": "////AA=="}]}, "E025"),
        ("Secrets/site/Cert", {"ExtraExtensions": [{"Id": [1, 2], "Value": "?"}]}, "E025"),
        ("Secrets/site/Cert", {"SignatureAlgorithm": 10}, "E025"),
        ("Secrets/site/Cert", {"Subject": {"ExtraNames": [{"Type": [], "Value": "x"}]}}, "E025"),
        ("Secrets/session/Cert", {"DNSNames": ["x"]}, "E025"),
        ("TLS/t", {"Incoming": [{}]}, "E011"),
        ("TLS/t", {"Incoming": [{"Port": 8443}]}, "E014"),
        ("TLS/t", {"Incoming": [{"Port": "1", "Cert": "site"}]}, "E023"),
        ("TLS/t", {"Incoming": [{"Port": "1", "DisableClientAuth": True}]}, "E023"),
        ("TLS/t", {"Incoming": [{"Port": "1", "Cert": "nope", "DisableClientAuth": True}]}, "E020"),
        ("TLS/t", {"Incoming": [{"Port": "1", "Cert": "session", "DisableClientAuth": True}]}, "E023"),
        ("TLS/t", {"Outgoing": [{"Addr": "a"}]}, "E011"),
        ("Config/SealMode", "productkey", "E013"),
        ("Config/FeatureGates", ["Teleport"], "E013"),
        ("Config/FeatureGates", ["AzureHSMSealing"], "E027"),
        ("Config/RecoveryThreshold", 2, "E027"),
        ("Config/UpdateThreshold", 1, "E027"),
        ("Infrastructures", {"hall": {}}, "E094"),
        ("Packages", {}, "E022"),
        ("Marbles", {}, "E022"),
        ("Packages", None, "E014"),
    ],
)
def test_a_document_that_breaks_a_rule_is_refused(
    path: str, value: Any, code: str, document: Document, refused: Refuse
) -> None:
    assert code in {finding.code for finding in refused(put(document, path, value))}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Marbles/web/MaxActivations", 2**64 - 1),
        ("Marbles/web/Parameters/Env/A", {"Data": "QQ==\n", "Encoding": "Base64"}),
        ("Marbles/web/Parameters/Env/A", {"Data": "0aFF", "Encoding": "HEX", "NoTemplates": True}),
        ("Marbles/web/Parameters/Env/A", {"Data": "{{ x", "NoTemplates": True}),
        ("Marbles/web/Parameters/Files", {"/f": {"Data": "AA==", "Encoding": "base64"}}),
        ("Marbles/web/Parameters/Files", {"/f": ""}),
        ("Marbles/other", {"Package": "web", "Parameters": {}, "TLS": []}),
        ("Secrets/s", {"Type": "symmetric-key", "Size": 65280}),
        ("Secrets/s", {"Type": "symmetric-key", "Size": 65288, "Shared": True}),
        ("Secrets/s", {"Type": "cert-rsa", "Size": 3072}),
        ("Secrets/s", {"Type": "cert-ecdsa", "Size": 521}),
        ("Secrets/s", {"Type": "cert-ed25519"}),
        ("Secrets/s", {"Type": "cert-ed25519", "ValidFor": 9, "Cert": {"NotAfter": "0001-01-01T00:00:00Z"}}),
        ("Secrets/s", {"Type": "cert-ed25519", "Cert": {"IsCA": True, "MaxPathLen": 1}}),
        ("TLS/t", {"Incoming": [{"Port": "1"}], "Outgoing": []}),
        ("Config/FeatureGates", ["signquoteendpoint", "MonotonicCounter"]),
        ("Config", {"SealMode": "", "FeatureGates": [], "UpdateThreshold": 0, "RotateRootSecret": False}),
        ("Config/SealMode", "UniqueKey"),
        ("Secrets", None),
        ("Users", {}),
        ("Roles", None),
        ("RecoveryKeys", {}),
        ("Infrastructures", {}),
    ],
)
def test_its_neighbour_that_keeps_the_rule_is_accepted(
    path: str, value: Any, document: Document, parsed: Parse
) -> None:
    if path == "Secrets":
        del document["TLS"], document["Marbles"]["web"]["TLS"], document["Marbles"]["web"]["Parameters"]
    assert parsed(put(document, path, value)).findings == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Marbles/web/Parameters/Env/MARBLE_PREDEFINED_ROOT_CA", "mine"),
        ("Marbles/web/Parameters/Env/EDG_MARBLE_TYPE", "mine"),
        ("Marbles/web/Parameters/Files/relative", "x"),
        ("Secrets/s", {"Type": "cert-rsa", "Size": 1024}),
    ],
)
def test_what_will_surprise_is_accepted_with_a_warning(
    path: str, value: Any, document: Document, parsed: Parse
) -> None:
    assert [finding.code for finding in parsed(put(document, path, value)).findings] == ["E029"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_text(document: Document, refused: Refuse) -> None:
    put(document, "Packages/web", {"TDX": {"MRTD": "6b28"}})
    put(document, "Marbles/web/Package", "wbe")
    put(document, "Marbles/web/Parameters/Env/A", "{{ hex .Secrets.sesion }}")
    put(document, "Secrets/site/Size", 1)
    put(document, "Secretz", {})
    findings = refused(document)
    assert [finding.code for finding in findings] == ["E012", "E020", "E031", "E024", "E010"]
    assert [finding.line for finding in findings] == sorted(finding.line for finding in findings)


def test_a_mistake_does_not_draw_others_after_it(document: Document, refused: Refuse) -> None:
    document["Packages"] = [1]
    assert [finding.code for finding in refused(document)] == ["E014"]


@pytest.mark.parametrize(
    ("path", "value", "suggestion"),
    [
        ("Marbles/web/MaxActivation", 1, "MaxActivations"),
        ("Marbles/web/Package", "wbe", "web"),
        ("Marbles/web/TLS", ["dor"], "door"),
        ("Secrets/s", {"Type": "symetric-key"}, "symmetric-key"),
        ("Config/SealMode", "productkey", "ProductKey"),
        ("Marbles/web/Parameters/Env/A", "{{ hex .Secrets.sesion }}", "session"),
        ("Marbles/web/Parameters/Env/A", "{{ base46 .Secrets.session }}", "base64"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest_one(
    path: str, value: Any, suggestion: str, document: Document, refused: Refuse
) -> None:
    (finding,) = refused(put(document, path, value))
    assert f"did you mean {suggestion}?" in finding.hint.replace('"', "")


def test_in_compatible_mode_letter_case_unknown_and_repeated_keys_are_warnings() -> None:
    raw = b"""{"packages": {"shop": {"uniqueid": "%s"}, "shop": {"UniqueID": "%s"}}, "Extra": 1,
     "MARBLES": {"a": {"Package": "shop"}}, "Marbles": {"b": {"package": "shop", "MAXACTIVATIONS": 1}}}""" % (
        b"01" * 32,
        b"02" * 32,
    )
    result = parse(raw, name="m", compatible=True)
    assert set(result.manifest.marbles) == {"a", "b"}
    assert result.manifest.marbles["b"].max_activations == 1
    (values,) = result.manifest.packages["shop"].alternatives
    assert getattr(values, "mrenclave", None) == b"\x02" * 32
    assert {finding.severity.value for finding in result.findings} == {"warning"}


def test_in_compatible_mode_null_means_absent(document: Document, parsed: Parse) -> None:
    put(document, "Marbles/web/MaxActivations", None)
    put(document, "Marbles/database/TLS", None)
    assert parsed(document, compatible=True).manifest.marbles["web"].max_activations == 0


def test_templates_keep_their_place_for_what_is_found_later(document: Document, parsed: Parse) -> None:
    template = parsed(document).manifest.marbles["web"].parameters.env["KEY"]
    assert template.place is Place.ENV
    assert template.origin is not None
    line, column, text = template.origin.locate(3)
    assert text[column - 1 :].startswith("hex .Secrets.session")
    assert line > 1


def test_a_dynamic_template_uses_every_secret(document: Document, parsed: Parse) -> None:
    put(document, "Marbles/database/Parameters/Env/N", "{{ len .Secrets }}")
    assert parsed(document).manifest.marbles["database"].secrets == {"session", "site"}


def test_certificate_fields_are_kept_as_given(document: Document, parsed: Parse) -> None:
    put(
        document,
        "Secrets/site/Cert",
        {
            "Subject": {"CommonName": "a.example", "Organization": ["O", "P"], "Country": ["DE"], "SerialNumber": "42"},
            "DNSNames": [],
            "IPAddresses": ["2001:DB8::7"],
            "URIs": [{"Scheme": "spiffe", "Host": "shop.example", "Path": "/cart"}],
            "IsCA": True,
            "MaxPathLenZero": True,
            "KeyUsage": 97,
            "ExtKeyUsage": [1, 9],
            "UnknownExtKeyUsage": [[1, 2, 3]],
        },
    )
    certificate = parsed(document).manifest.secrets["site"].certificate
    assert certificate.subject.rfc4514_string() == "2.5.4.5=42,CN=a.example,O=O+O=P,C=DE"
    assert certificate.dns_names == ()
    assert certificate.ip_addresses == ("2001:db8::7",)
    assert certificate.uris == ("spiffe://shop.example/cart",)
    assert (certificate.is_ca, certificate.max_path_length, certificate.key_usage) == (True, 0, 97)
    assert certificate.extended_key_usage == ("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.9", "1.2.3")


def test_absent_certificate_fields_leave_the_defaults_to_the_maker(document: Document, parsed: Parse) -> None:
    certificate = parsed(document).manifest.secrets["site"].certificate
    assert certificate.dns_names is None
    assert certificate.extended_key_usage is None
    assert certificate.key_usage is None


def test_the_end_of_validity_is_kept_in_utc(document: Document, parsed: Parse) -> None:
    put(document, "Secrets/s", {"Type": "cert-ed25519", "Cert": {"NotAfter": "2031-05-06T07:08:09+02:00"}})
    assert parsed(document).manifest.secrets["s"].certificate.not_after == "2031-05-06T05:08:09Z"


def test_a_secret_that_stands_in_the_document_is_not_shown_again(document: Document, refused: Refuse) -> None:
    (finding,) = refused(put(document, "Secrets/session/Private", "aHVzaCE="))
    assert finding.code == "E024"
    assert "aHVzaCE=" not in repr(finding)


def test_a_hostile_document_cannot_make_us_hold_a_remark_for_each_of_its_values(
    document: Document, refused: Refuse
) -> None:
    document["Marbles"] |= {f"m{number}": {"Package": "nope"} for number in range(3000)}
    errors = refused(document)
    assert len(errors) == 1000
    assert [error.message for error in errors if error.code == "E007"] == ["1000 errors, or more"]


def test_findings_of_one_long_line_share_its_text(document: Document) -> None:
    document["Marbles"] |= {f"m{number}": {"Package": "nope"} for number in range(50)}
    with pytest.raises(ManifestInvalid) as invalid:
        parse(json.dumps(document).encode(), name="m", compatible=False)
    assert len({id(finding.source_line) for finding in invalid.value.findings}) == 1


def test_marblerun_s_manifests_may_have_any_number_of_unknown_fields(document: Document) -> None:
    document |= {f"unknown{number}": 1 for number in range(1500)}
    findings = parse(json.dumps(document).encode(), name="m", compatible=True).findings
    assert {(finding.code, finding.severity) for finding in findings} == {("E010", Severity.WARNING)}
    assert len(findings) == 1000


def test_keys_of_all_secrets_together_are_limited(document: Document, refused: Refuse) -> None:
    key = {"Type": "symmetric-key", "Size": 1 << 23, "Shared": True}
    document["Secrets"] |= {f"s{number}": key for number in range(65)}
    assert [finding.code for finding in refused(document)] == ["E024"]


def test_two_users_with_one_key_are_told_apart_from_two_people(
    document: Document, parsed: Parse, tmp_path: Path
) -> None:
    alice, bob = person(tmp_path, "alice"), person(tmp_path, "bob")
    twice = same_key(alice, tmp_path, "alias")
    assert () == parsed(put(document, "Users", {"alice": alice.entry(), "bob": bob.entry()})).findings
    (finding,) = parsed(put(document, "Users", {"alice": alice.entry(), "alias": twice.entry()})).findings
    assert ("E029", Severity.WARNING, "/Users/alias/Certificate") == (finding.code, finding.severity, finding.path)
    assert "they count as one person" in finding.hint


def test_a_threshold_counts_people_and_not_users(
    document: Document, parsed: Parse, refused: Refuse, tmp_path: Path
) -> None:
    alice, bob = person(tmp_path, "alice"), person(tmp_path, "bob")
    twice = same_key(alice, tmp_path, "alias")
    document["Roles"] = {"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}}
    document["Config"] = {"UpdateThreshold": 2}
    document["Users"] = {"alice": alice.entry("updater"), "alias": twice.entry("updater")}
    (finding,) = refused(document)
    assert ("E027", "/Config/UpdateThreshold") == (finding.code, finding.path)
    assert "may update the manifest; counted by their keys, 1: alice alias alias" in finding.message
    document["Users"]["bob"] = bob.entry("updater")
    assert ["E029"] == [found.code for found in parsed(document).findings]


def test_marblerun_s_rule_for_a_threshold_counts_users_and_we_warn(
    document: Document, parsed: Parse, tmp_path: Path
) -> None:
    alice = person(tmp_path, "alice")
    marblerun_s = {
        "Packages": {"database": document["Packages"]["database"]},
        "Marbles": {"database": document["Marbles"]["database"]},
        "Roles": {"updater": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]}},
        "Config": {"UpdateThreshold": 2},
        "Users": {"alice": alice.entry("updater"), "other": same_key(alice, tmp_path, "other").entry("updater")},
    }
    found = {(one.code, one.severity, one.path) for one in parsed(marblerun_s, compatible=True).findings}
    assert ("E027", Severity.WARNING, "/Config/UpdateThreshold") in found
