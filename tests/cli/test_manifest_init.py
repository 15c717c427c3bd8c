"""`enclasp manifest init`: a draft in which everything open is marked, and which passes when that is answered."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from coordinator.cli.manifest_init import PROCESSORS
from tests.attestation.test_sigstruct import signed
from tests.cli.conftest import Enclasp, Ended
from tests.support.answers import answered

ROOT = Path(__file__).parents[2]
WISHES = ("--service", "web", "--service", "api", "--calls", "web=api:8443", "--secret", "sessionKey")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "manifest.yaml"


def codes(ended: Ended) -> list[str]:
    return [finding["code"] for finding in ended.document["findings"]]


def test_what_is_open_is_found_and_the_answered_draft_passes(enclasp: Enclasp, file: Path) -> None:
    ended = enclasp("manifest", "init", file, *WISHES, "-o", "json")
    assert (0, str(file)) == (ended.code, ended.document["file"])
    checked = enclasp("manifest", "check", file, "-o", "json")
    assert (3, {"E060"}) == (checked.code, set(codes(checked)))
    assert ended.document["decisions"] == len(codes(checked)) > 0
    file.write_text(answered(file.read_text()))
    assert (0, True) == ((checked := enclasp("manifest", "check", file, "--strict")).code, "valid" in checked.text)


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("platform", PROCESSORS)
def test_every_platform_has_a_draft_that_passes_when_answered(
    enclasp: Enclasp, file: Path, platform: str, gpu: bool
) -> None:
    flags = ("--gpu",) if gpu else ()
    ended = enclasp("manifest", "init", file, "--service", "web", "--platform", platform, *flags)
    if gpu and platform in ("sgx", "nitro"):
        assert (2, True) == (ended.code, "--gpu goes with" in ended.err)
        return
    file.write_text(answered(file.read_text()))
    assert enclasp("manifest", "check", file, "--strict").code == 0


def test_a_secret_from_outside_has_somebody_who_may_set_it(enclasp: Enclasp, file: Path) -> None:
    enclasp("manifest", "init", file, "--service", "web", "--upload", "smtpPassword")
    text = file.read_text()
    assert 'SMTP_PASSWORD: "{{ string .Secrets.smtpPassword }}"' in text
    assert "Actions: [WriteSecret]" in text
    assert 'Certificate: "DECIDE: certificate in PEM of this person"' in text


def test_people_who_update_and_recover_are_written_and_else_missed(
    enclasp: Enclasp, tmp_path: Path, file: Path
) -> None:
    people = yaml.safe_load((ROOT / "docs" / "manifest" / "people.yaml").read_text())
    given: list[str] = []
    for section, flag in (("Users", "--user"), ("RecoveryKeys", "--recovery-key")):
        for name, value in people[section].items():
            (tmp_path / name).write_text(value["Certificate"] if section == "Users" else value)
            given += [flag, f"{name}={tmp_path / name}"]
    assert enclasp("manifest", "init", file, *WISHES, *given).code == 0
    document = yaml.safe_load(file.read_text())
    assert (people["RecoveryKeys"], ["manifest-updater"]) == (
        document["RecoveryKeys"],
        document["Users"]["alice"]["Roles"],
    )
    assert "nobody" not in file.read_text()
    file.write_text(answered(file.read_text()))
    assert enclasp("manifest", "check", file, "--strict").code == 0
    enclasp("manifest", "init", file, "--force", *WISHES)
    assert "# DECIDE: nobody may ever update this manifest" in file.read_text()
    assert "nobody can recover its state" in file.read_text()


@pytest.mark.parametrize(
    ("flag", "value", "code"), [("--user", "alice", 2), ("--user", "=x", 2), ("--user", "a={file}", 3)]
)
def test_people_without_name_or_pem_are_refused(
    enclasp: Enclasp, tmp_path: Path, file: Path, flag: str, value: str, code: int
) -> None:
    (tmp_path / "key").write_text("-----BEGIN PRIVATE KEY-----\nx\n-----BEGIN CERTIFICATE-----\n")
    ended = enclasp("manifest", "init", file, *WISHES, flag, value.format(file=tmp_path / "key"))
    assert (code, True, False) == (ended.code, "error[U552]" in ended.err, file.exists())


def test_measured_values_are_taken_over(enclasp: Enclasp, tmp_path: Path, file: Path) -> None:
    (tmp_path / "web.yaml").write_text(f'TDX:\n  MRTD: "{"12" * 48}"\n')
    (tmp_path / "api.sig").write_bytes(signed(rsa.generate_private_key(public_exponent=3, key_size=3072)))
    flags = ("--reference", f"web={tmp_path / 'web.yaml'}", "--reference", f"api={tmp_path / 'api.sig'}")
    assert enclasp("manifest", "init", file, *WISHES, *flags).code == 0
    text = file.read_text()
    assert ("12" * 48 in text, "MRENCLAVE" in text) == (True, True)
    file.write_text(answered(text))
    assert enclasp("manifest", "check", file, "--strict").code == 0


def test_measured_values_that_are_none_are_refused(enclasp: Enclasp, tmp_path: Path, file: Path) -> None:
    (tmp_path / "web.yaml").write_text("TDX:\n  MRTD: 12\n")
    ended = enclasp("manifest", "init", file, "--service", "web", "--reference", tmp_path / "web.yaml")
    assert (3, True, False) == (ended.code, "web.yaml:2:9" in ended.err, file.exists())
    ended = enclasp("manifest", "init", file, *WISHES, "--reference", tmp_path / "web.yaml")
    assert (2, True) == (ended.code, "write SERVICE=FILE, with one of web, api" in ended.err)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--calls", "web=api"), "expected A=B:PORT, got 'web=api'"),
        (("--calls", "web=db:5432"), "'db' in 'web=db:5432' is no --service"),
        (("--template", "tdx"), "expected either it or the other flags"),
        (("--platform", "sgx9"), "sgx9"),
    ],
)
def test_flags_that_do_not_fit_are_refused_and_nothing_is_written(
    enclasp: Enclasp, file: Path, flags: tuple[str, ...], said: str
) -> None:
    ended = enclasp("manifest", "init", file, *WISHES, *flags)
    assert (2, True, False) == (ended.code, said in ended.err, file.exists())


def test_a_file_that_is_there_stays(enclasp: Enclasp, file: Path) -> None:
    file.write_text("mine")
    assert (3, "mine") == (enclasp("manifest", "init", file, *WISHES).code, file.read_text())
    assert enclasp("manifest", "init", file, *WISHES, "--force").code == 0
    assert file.read_text() != "mine"


def test_every_template_is_offered_and_passes(enclasp: Enclasp, tmp_path: Path) -> None:
    names = enclasp("manifest", "init", "--template", "list", "-o", "json").document
    assert {"minimal", *(path.stem for path in (ROOT / "manifests" / "templates").glob("*.yaml"))} == set(names)
    for name in names:
        file = tmp_path / f"{name}.yaml"
        assert enclasp("manifest", "init", file, "--template", name).code == 0
        assert file.read_text().startswith("# yaml-language-server: $schema=manifest.schema.json\n")
        assert enclasp("manifest", "check", file, "--no-lint").code == 0
    assert enclasp("manifest", "init", tmp_path / "x.yaml", "--template", "sxg").code == 2


def test_to_stdout_goes_the_manifest_and_nothing_else(enclasp: Enclasp) -> None:
    assert enclasp("manifest", "init", "-", *WISHES).text.startswith("# yaml-language-server")
    assert enclasp("manifest", "init", "-", *WISHES, "-o", "json").document["manifest"].startswith("# yaml-lang")


def test_out_alone_is_where_the_manifest_goes(enclasp: Enclasp, tmp_path: Path, file: Path) -> None:
    ended = enclasp("manifest", "init", "--service", "web", "--out", file)
    assert (0, [file]) == (ended.code, list(tmp_path.glob("*.yaml")))
    assert file.read_text().startswith("# yaml-language-server")
    assert f"written to {file}; " in ended.text


def test_with_a_file_the_report_goes_to_out(enclasp: Enclasp, tmp_path: Path, file: Path) -> None:
    report = tmp_path / "report.json"
    assert 0 == enclasp("manifest", "init", file, "--service", "web", "-o", "json", "--out", report).code
    assert str(file) == yaml.safe_load(report.read_text())["file"]


def test_it_asks_on_a_terminal(file: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "coordinator", "manifest", "init", str(file), "-o", "json"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(theirs)
    os.write(ours, b"web, api\nmoon\ntdx, sgx\nsessionKey\n \nweb=api:8443\n")
    out, err = process.communicate(timeout=60)
    os.close(ours)
    assert (0, True) == (process.returncode, file.is_file()), err.decode()
    assert b"expected one or more of tdx" in err
    assert b"Which services" not in out
    text = file.read_text()
    assert all(word in text for word in ("SGX:", "TDX:", "SESSION_KEY", "to-api-8443", "  api:\n"))


def test_it_never_asks_elsewhere(file: Path) -> None:
    command = [sys.executable, "-m", "coordinator", "manifest", "init", str(file)]
    ended = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert (0, False) == (ended.returncode, b"Which" in ended.stderr)
    assert "hello" in file.read_text()
