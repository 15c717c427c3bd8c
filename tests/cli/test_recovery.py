"""Owners of recovery shares at the command line, against a real coordinator whose machine is lost in between."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attestation.simulation.folder import create
from tests.cli.conftest import Enclasp, Ended
from tests.support import key_devices
from tests.support.coordinator_process import CoordinatorProcess, start
from tests.support.owners import OwnerOfShare, owner

MANIFEST = {
    "Packages": {"web": {"TDX": {"MRTD": "ab" * 48}}},
    "Marbles": {"web": {"Package": "web"}},
    "Config": {"RecoveryThreshold": 2},
}


class Deployment:
    """A coordinator, its owners, and their shares in `file`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kinds = {"ada": "rsa", "bo": "rsa", "cy": "x25519"}
        self.owners: dict[str, OwnerOfShare] = {name: owner(folder, name, kind=kind) for name, kind in kinds.items()}
        self.running: CoordinatorProcess = start(folder / "dev")
        self.file = folder / "shares.json"

    @property
    def flags(self) -> tuple[str | Path, ...]:
        running = self.running
        return (
            *("--reference", running.reference),
            *("--trust", running.trust),
            *("--collateral", running.collateral),
        )

    @property
    def address(self) -> str:
        return self.running.client_address

    def manifest(self) -> Path:
        path = self.folder / "manifest.json"
        keys = {name: one.pem for name, one in self.owners.items()}
        path.write_text(json.dumps(MANIFEST | {"RecoveryKeys": keys}))
        return path

    def lose_the_machine(self) -> None:
        self.running.kill()
        (self.running.folder / "simulation").rename(self.folder / "gone")
        create(self.running.folder / "simulation")
        self.running = start(self.folder / "dev")

    def key(self, name: str) -> tuple[str, Path]:
        return ("--key", self.owners[name].key)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path)
    yield made
    made.running.kill()


def deploy(enclasp: Enclasp, made: Deployment) -> Ended:
    return enclasp("manifest", "set", made.manifest(), made.address, *made.flags, "-r", made.file, "-o", "json")


def test_recovery_secrets_are_not_lost_silently(enclasp: Enclasp, deployment: Deployment) -> None:
    deployment.file.write_text("somebody else's")
    refused = deploy(enclasp, deployment)
    assert (3, 2) == (refused.code, enclasp("status", deployment.address, "-o", "json").document["code"]), refused.err
    deployment.file.unlink()
    nowhere = enclasp(
        "manifest", "set", deployment.manifest(), deployment.address, *deployment.flags, "-r", "/nowhere/shares.json"
    )
    assert (3, 2) == (nowhere.code, enclasp("status", deployment.address, "-o", "json").document["code"])

    bad = deployment.folder / "bad.json"
    bad.write_text("{}")
    assert 0 != enclasp("manifest", "set", bad, deployment.address, *deployment.flags, "-r", deployment.file).code
    assert not deployment.file.exists(), "an empty file would look like a kept one"

    shown = enclasp("manifest", "set", deployment.manifest(), deployment.address, *deployment.flags)
    assert '"ada": "' in shown.text, "without a file they are in the result"
    assert "recovery shares" in shown.err
    again = enclasp("recovery", "shares", deployment.address, *deployment.flags, "--out", deployment.file)
    assert (0, 0o600) == (again.code, deployment.file.stat().st_mode & 0o777)
    assert json.loads(deployment.file.read_text())["RecoverySecrets"].keys() == deployment.owners.keys()


def test_owners_check_rehearse_and_recover(enclasp: Enclasp, deployment: Deployment) -> None:
    made = deployment
    set_ = deploy(enclasp, made)
    assert (0, {}) == (set_.code, set_.document["RecoverySecrets"]), set_.err
    for name in made.owners:
        checked = enclasp("recovery", "verify-share", made.file, made.address, *made.key(name), *made.flags)
        assert checked.text.startswith(f"OK  this is the share of {name}; 2 of 3 recover"), checked.err
    mixed_up = enclasp(
        "recovery", "verify-share", made.file, made.address, *made.key("bo"), "--name", "ada", *made.flags
    )
    assert (3, True) == (mixed_up.code, "R427" in mixed_up.err)
    stranger = owner(made.folder, "eve")
    lost = enclasp("recovery", "verify-share", made.file, made.address, "--key", stranger.key, *made.flags)
    assert (3, True) == (lost.code, "this key opens none of the shares of ada, bo, cy" in lost.err)

    for name, enough in (("ada", False), ("cy", True)):
        rehearsed = enclasp("recovery", "rehearse", made.file, made.address, *made.key(name), *made.flags, "-o", "json")
        assert (0, enough) == (rehearsed.code, rehearsed.document["enough"]), rehearsed.err
    log = enclasp("manifest", "log", made.address, *made.flags)
    assert "recovery rehearsed" in log.text

    early = enclasp("recover", made.file, made.address, *made.key("ada"), *made.flags)
    assert (3, True) == (early.code, "does not wait for recovery" in early.err)
    made.lose_the_machine()
    assert 8 == enclasp("status", made.address).code
    assert 8 == enclasp("recovery", "shares", made.address, *made.flags).code
    shown = enclasp("recovery", "show", made.address, *made.flags, "-o", "json").document
    assert (2, 2, 5) == (shown["needed"], shown["remaining"], shown["state"]["sequence"])
    first = enclasp("recover", made.file, made.address, *made.key("cy"), *made.flags, "-o", "json")
    assert (0, 1, False) == (first.code, first.document["remaining"], first.document["recovered"]), first.err
    assert "cy  " in (table := enclasp("recovery", "show", made.address, *made.flags).text)
    assert "has given the share" in table
    last = enclasp("recover", made.file, made.address, *made.key("ada"), *made.flags, "-o", "json")
    assert (0, True) == (last.code, last.document["recovered"]), last.err
    assert 0 == enclasp("status", made.address).code
    verified = enclasp("verify", made.address, *made.flags, "--manifest", made.folder / "manifest.json")
    assert 0 == verified.code, verified.err
    after = enclasp("recovery", "show", made.address, *made.flags).text
    assert 2 == after.count("  rehearsed 20"), after


@pytest.mark.parametrize("with_state", [False, True], ids=["as MarbleRun's", "for one state"])
def test_an_owner_far_away_encrypts_and_signs_offline(
    enclasp: Enclasp, deployment: Deployment, with_state: bool
) -> None:
    made = deployment
    assert 0 == deploy(enclasp, made).code
    made.lose_the_machine()
    public, standing = made.folder / "coordinator.pub", made.folder / "standing.json"
    assert 0 == enclasp("recovery", "public-key", made.address, *made.flags, "--out", public).code
    assert 0 == enclasp("recovery", "show", made.address, *made.flags, "-o", "json", "--out", standing).code
    named = ("--state", standing) if with_state else ()
    for count, name in enumerate(("bo", "ada"), 1):
        share, signature = made.folder / f"{name}.enc", made.folder / f"{name}.sig"
        key = made.key(name)
        sealed = enclasp("recovery", "encrypt-share", made.file, *key, "--coordinator-key", public, "--out", share)
        assert 0 == sealed.code, sealed.err
        assert (
            3 == enclasp("recovery", "encrypt-share", made.file, *key, "--coordinator-key", public, "--out", share).code
        )
        assert 0 == enclasp("recovery", "sign-share", made.file, *key, *named, "--out", signature).code
        given = enclasp(
            *("recover-with-signature", share, made.address, "-s", signature, *made.flags, "-o", "json"),
            *(("--for-state",) if with_state else ()),
        )
        assert (0, 2 - count) == (given.code, given.document["remaining"]), given.err


def test_a_key_with_a_password_and_a_share_by_itself_do_as_well(
    enclasp: Enclasp, deployment: Deployment, openssl: Callable[..., None]
) -> None:
    made = deployment
    assert 0 == deploy(enclasp, made).code
    sealed, password, share = made.folder / "ada.locked", made.folder / "password", made.folder / "ada.share"
    password.write_text("correct horse\n")
    openssl("pkcs8", "-topk8", "-in", made.owners["ada"].key, "-out", sealed, "-passout", f"file:{password}")
    share.write_text(json.loads(made.file.read_text())["RecoverySecrets"]["ada"] + "\n")
    options = ("--key", sealed, *made.flags)
    assert 3 == enclasp("recovery", "verify-share", share, made.address, *options).code
    checked = enclasp("recovery", "verify-share", share, made.address, *options, "--key-password-file", password)
    assert 0 == checked.code, checked.err


@pytest.fixture
def openssl() -> Callable[..., None]:
    def run(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)

    return run


def test_a_state_that_waits_is_replaced_only_by_who_says_so(enclasp: Enclasp, deployment: Deployment) -> None:
    made = deployment
    assert 0 == deploy(enclasp, made).code
    made.lose_the_machine()
    manifest = made.manifest()
    assert 8 == enclasp("manifest", "set", manifest, made.address, *made.flags).code
    assert 0 == enclasp("manifest", "set", manifest, made.address, *made.flags, "--replace").code
    assert (made.running.folder / "state" / "journal.db.old").exists()


def test_a_key_on_a_token_opens_signs_and_recovers(enclasp: Enclasp, deployment: Deployment) -> None:
    made = deployment
    environ, pin = key_devices.token(made.folder / "hsm", "owners")
    key_devices.import_key(environ, "owners", made.owners["ada"].key, "ada")
    assert 0 == deploy(enclasp, made).code

    def with_token(*arguments: str | Path, key: str = "ada", pin_file: Path = pin) -> subprocess.CompletedProcess[str]:
        return key_devices.command(environ, *arguments, *key_devices.key_on("owners", key, pin_file), *made.flags)

    checked = with_token("recovery", "verify-share", made.file, made.address)
    assert (0, True) == (checked.returncode, checked.stdout.startswith("OK  this is the share of ada")), checked.stderr
    refused = with_token("recovery", "verify-share", made.file, made.address, key="nobody's")
    assert (3, True) == (refused.returncode, "error[U561]" in refused.stderr), refused.stderr
    wrong = made.folder / "wrong-pin"
    wrong.write_text("9999")
    refused = with_token("recovery", "verify-share", made.file, made.address, pin_file=wrong)
    assert (3, False) == (refused.returncode, "9999" in refused.stderr), refused.stderr
    made.lose_the_machine()
    assert 0 == (first := with_token("recover", made.file, made.address)).returncode, first.stderr
    last = enclasp("recover", made.file, made.address, *made.key("bo"), *made.flags, "-o", "json")
    assert (0, True) == (last.code, last.document["recovered"]), last.err


def test_no_key_at_all_is_a_mistake_of_the_command_line(enclasp: Enclasp, tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.write_bytes(bytes(32))
    ended = enclasp("recovery", "sign-share", share, "--out", tmp_path / "share.sig")
    assert (2, True) == (ended.code, "--pkcs11-module" in ended.err)
