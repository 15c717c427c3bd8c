"""`enclasp manifest test`: what each marble would get, with no secret in it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.cli.conftest import Enclasp

DOCUMENT: dict[str, Any] = {
    "Packages": {
        "web": {"TDX": {"MRTD": "11" * 48, "RTMR1": "22" * 48, "MRConfigID": "33" * 48}},
        "db": {"SignerID": "44" * 32, "ProductID": 7, "SecurityVersion": 2, "Debug": True},
    },
    "Marbles": {
        "web": {
            "Package": "web",
            "TLS": ["door"],
            "Parameters": {
                "Argv": ["web", "-v"],
                "Env": {
                    "PLAIN": "value",
                    "SESSION": "key={{ hex .Secrets.session }};",
                    "BOTH": "{{ base64 .Secrets.session }} {{ hex .Secrets.own }}",
                    "LENGTH": "{{ len .Secrets.session.Private }}",
                    "CERT": "{{ pem .Secrets.site.Cert }}",
                    "SITE_PUBLIC": "{{ pem .Secrets.site.Public }}",
                    "MINE": "{{ pem .MarbleRun.MarbleCert.Public }}",
                    "ODD": "{{ range .Secrets.session.Private }}{{ . }},{{ end }}",
                },
                "Files": {"/key": "{{ raw .Secrets.own }}", "/site.key": "{{ pem .Secrets.site.Private }}"},
            },
        },
        "db": {
            "Package": "db",
            "Parameters": {"Env": {"OWN": "{{ hex .Secrets.own }}", "CRT": "{{ pem .Secrets.leaf.Cert }}"}},
        },
    },
    "Secrets": {
        "session": {"Type": "symmetric-key", "Size": 256, "Shared": True},
        "own": {"Type": "symmetric-key", "Size": 128},
        "site": {"Type": "cert-ecdsa", "Size": 256, "Shared": True, "Cert": {"DNSNames": ["web.example"]}},
        "leaf": {"Type": "cert-ed25519"},
    },
    "TLS": {"door": {"Incoming": [{"Port": "443", "Cert": "site", "DisableClientAuth": True}]}},
}
UUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "m.json"
    file.write_text(json.dumps(DOCUMENT))
    return file


def test_every_marble_gets_what_its_templates_say_without_secrets(enclasp: Enclasp, file: Path) -> None:
    ended = enclasp("manifest", "test", file, "-o", "json")
    assert ended.code == 0
    marbles = ended.document["marbles"]
    web = marbles["web"]
    assert ["web", "db"] == list(marbles)
    assert ["web", "-v"] == web["argv"]
    assert {"text": "value"} == web["env"]["PLAIN"]
    assert {"text": "key=<secret session>;"} == web["env"]["SESSION"]
    assert {"text": "<secret session> <secret own>"} == web["env"]["BOTH"]
    assert {"text": "32"} == web["env"]["LENGTH"]
    assert {"text": "<secret own>"} == web["files"]["/key"]
    assert {"text": "<secret site>"} == web["files"]["/site.key"]
    assert {"text": "<private key of this marble>"} == web["env"]["MARBLE_PREDEFINED_PRIVATE_KEY"]


def test_what_is_public_is_shown(enclasp: Enclasp, file: Path) -> None:
    env = enclasp("manifest", "test", file, "--marble", "web", "-o", "json").document["marbles"]["web"]["env"]
    certificate = x509.load_pem_x509_certificate(env["CERT"]["text"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ["web.example"] == names.get_values_for_type(x509.DNSName)
    assert env["SITE_PUBLIC"]["text"].startswith("-----BEGIN PUBLIC KEY-----")
    assert env["MINE"]["text"].startswith("-----BEGIN PUBLIC KEY-----")
    assert "<secret site>" in env["MARBLE_TTLS_CONFIG"]["text"]
    assert "BEGIN CERTIFICATE" in env["MARBLE_TTLS_CONFIG"]["text"]
    assert "PRIVATE KEY" not in json.dumps(env)


def test_a_secret_in_an_unusual_form_hides_the_whole_value(enclasp: Enclasp, file: Path) -> None:
    env = enclasp("manifest", "test", file, "--marble", "web", "-o", "json").document["marbles"]["web"]["env"]
    assert env["ODD"]["text"].startswith("<redacted: ")


def test_reveal_shows_the_secrets_of_the_trial(enclasp: Enclasp, file: Path) -> None:
    marbles = enclasp("manifest", "test", file, "--uuid", UUID, "--reveal", "-o", "json").document["marbles"]
    web = marbles["web"]
    session, own = web["env"]["BOTH"]["text"].split(" ")
    assert f"key={base64.b64decode(session).hex()};" == web["env"]["SESSION"]["text"]
    value = web["files"]["/key"]
    raw = base64.b64decode(value["base64"]) if "base64" in value else value["text"].encode()
    assert own == raw.hex()
    assert own != marbles["db"]["env"]["OWN"]["text"]
    leaf = x509.load_pem_x509_certificates(web["env"]["MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"]["text"].encode())
    assert UUID in leaf[0].subject.rfc4514_string()


def test_one_marble_can_be_tried_alone(enclasp: Enclasp, file: Path) -> None:
    assert ["db"] == list(enclasp("manifest", "test", file, "--marble", "db", "-o", "json").document["marbles"])
    ended = enclasp("manifest", "test", file, "--marble", "dbb")
    assert (3, True) == (ended.code, "there are: web, db" in ended.err)


def test_a_value_that_would_fail_is_an_error_in_its_place(enclasp: Enclasp, file: Path) -> None:
    document = json.loads(file.read_text())
    document["Marbles"]["web"]["Parameters"]["Env"]["BAD"] = "{{ index .Secrets.session.Private 99 }}"
    file.write_text(json.dumps(document))
    ended = enclasp("manifest", "test", file, "-o", "json")
    web = ended.document["marbles"]["web"]
    assert ended.code == 3
    assert "BAD" in web["env"]["BAD"]["error"]
    assert {"text": "value"} == web["env"]["PLAIN"]
    assert {"text": "key=<secret session>;"} == web["env"]["SESSION"]


def test_a_marble_that_no_evidence_can_be_is_refused(enclasp: Enclasp, file: Path) -> None:
    document = json.loads(file.read_text())
    document["Packages"]["db"]["ProductID"] = 70000
    file.write_text(json.dumps(document))
    ended = enclasp("manifest", "test", file, "-o", "json")
    assert ended.code == 3
    marbles = ended.document["marbles"]
    assert "70000" in marbles["db"]["refused"]
    assert {"text": "<secret own>"} == marbles["db"]["env"]["OWN"]
    assert "refused" not in marbles["web"]
    assert "refused: no evidence is accepted" in enclasp("manifest", "test", file).text


def test_a_package_that_demands_nothing_is_refused_with_every_check(enclasp: Enclasp, file: Path) -> None:
    document = json.loads(file.read_text())
    document["Packages"]["db"] = {"Debug": True}
    file.write_text(json.dumps(document))
    ended = enclasp("manifest", "test", file, "-o", "json")
    assert (3, True) == (ended.code, "sgx.identity" in ended.document["marbles"]["db"]["refused"])


def test_a_document_that_is_refused_is_shown_as_findings(enclasp: Enclasp, file: Path) -> None:
    file.write_text("Packages: {}\n")
    ended = enclasp("manifest", "test", file, "-o", "json")
    assert (3, False) == (ended.code, ended.document["valid"])
    assert "E022" in {finding["code"] for finding in ended.document["findings"]}
    assert "error[E022]" in enclasp("manifest", "test", file).text


def test_compatible_reads_as_marblerun_does(enclasp: Enclasp, file: Path) -> None:
    document = json.loads(file.read_text())
    document["packages"] = document.pop("Packages")
    file.write_text(json.dumps(document))
    assert enclasp("manifest", "test", file).code == 3
    assert enclasp("manifest", "test", file, "--compatible").code == 0


def test_a_uuid_that_is_none_is_a_usage_error(enclasp: Enclasp, file: Path) -> None:
    assert enclasp("manifest", "test", file, "--uuid", "x").code == 2


def test_the_table_says_that_it_is_simulated(enclasp: Enclasp, file: Path) -> None:
    text = enclasp("manifest", "test", file).text
    assert text.startswith("SIMULATED")
    assert "    | key=<secret session>;" in text


PLATFORMS = {
    "SGX": {"SGX": {"MRENCLAVE": "01" * 32, "PPIDs": ["02" * 16]}},
    "TDX": {"TDX": {"MRTD": "01" * 48, "RTMR1": "02" * 48, "MinimumTCBDate": "2026-02-01"}},
    "SEVSNP": {
        "SEVSNP": {
            "Measurement": "01" * 48,
            "HostData": "02" * 32,
            "GuestSVN": 3,
            "VMPL": 1,
            "SMT": False,
            "Products": ["Turin"],
            "ChipIDs": ["02" * 64],
            "MinimumTCB": {"SNP": 200},
            "RequireRevocationList": True,
        }
    },
    "Nitro": {"Nitro": {"PCR0": "01" * 48, "PCR8": "02" * 48, "MaxAge": "5m", "Nonce": "03"}},
    "CCA": {"CCA": {"RIM": "01" * 48, "REM1": "02" * 48, "RPV": "03" * 64, "InstanceIDs": ["02" * 33]}},
    "AzureVTPM": {
        "AzureVTPM": {"SEVSNP": {"Measurement": "01" * 48}, "PCR11": "02" * 32, "SecureBoot": False},
    },
    "AzureVTPM on TDX": {
        "AzureVTPM": {"TDX": {"MRTD": "01" * 48}, "PCR4": "02" * 32, "VMID": "51515151-0000-0000-0000-515151515151"}
    },
    "TDX with a GPU": {
        "AllOf": [{"TDX": {"MRTD": "01" * 48}}, {"NvidiaGPU": {"Drivers": ["999.1"], "RequireRevocation": True}}]
    },
    "Azure with two kinds of GPUs": {
        "AllOf": [
            {"AzureVTPM": {"SEVSNP": {"Measurement": "01" * 48}, "PCR11": "02" * 32}},
            {"NvidiaGPU": {"Models": ["GH100"]}},
            {"NvidiaGPU": {"Models": ["GB100"]}},
        ]
    },
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_marble_of_every_platform_is_tried_on_hardware_of_its_own(
    platform: str, enclasp: Enclasp, file: Path
) -> None:
    document = json.loads(file.read_text())
    document["Packages"]["db"] = PLATFORMS[platform]
    document["Packages"]["web"] = {"TDX": {"MRTD": "0a" * 48}}
    file.write_text(json.dumps(document))
    ended = enclasp("manifest", "test", file, "--marble", "db", "-o", "json")
    assert (0, "") == (ended.code, ended.document["marbles"]["db"].get("refused", ""))


def test_people_see_arguments_as_a_shell_takes_them_and_no_endless_line(enclasp: Enclasp, tmp_path: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["Marbles"]["web"]["Parameters"]["Argv"] = ["web", "--save", "", "two words"]
    document["Marbles"]["web"]["Parameters"]["Env"]["LONG"] = "x" * 1000
    file = tmp_path / "m.json"
    file.write_text(json.dumps(document))
    for command in ("test", "explain"):
        assert "web --save '' 'two words'" in enclasp("manifest", command, file).text
    assert f"| {'x' * 400}… 600 more characters (-o json has all)" in enclasp("manifest", "test", file).text


def test_a_text_that_a_user_sets_is_shown_by_its_name(enclasp: Enclasp, tmp_path: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["Secrets"] |= {f"word{number}": {"Type": "plain", "UserDefined": True} for number in range(20)}
    document["Marbles"]["web"]["Parameters"]["Env"] = {
        f"W{number}": f"<{{{{ string .Secrets.word{number} }}}}>" for number in range(20)
    }
    file = tmp_path / "m.json"
    file.write_text(json.dumps(document))
    env = enclasp("manifest", "test", file, "-o", "json").document["marbles"]["web"]["env"]
    assert {f"<<secret word{number}>>" for number in range(20)} <= {value.get("text") for value in env.values()}
