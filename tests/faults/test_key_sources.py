"""A coordinator whose state is kept by a token or a TPM: it starts by itself where its machine's own key is gone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.clients import ask, document, phase, root
from tests.faults.test_recovery import move_to_another_machine
from tests.support import key_devices
from tests.support.coordinator_process import CoordinatorProcess

Begin = Callable[..., CoordinatorProcess]


def test_a_token_opens_the_state_on_another_machine(tmp_path: Path, program: Path, begin: Begin) -> None:
    environ, pin = key_devices.token(tmp_path / "hsm", "enclasp")
    settings = tmp_path / "coordinator.toml"
    settings.write_text(
        f'pkcs11_module = "{key_devices.SOFTHSM}"\npkcs11_token = "enclasp"\npkcs11_pin_file = "{pin}"\n'
    )
    options = ("--config", str(settings))
    running = begin(tmp_path / "dev", *options, **environ)
    manifest = document(program, Config={"KeySources": ["Platform", "PKCS11"]})
    status, body = ask(running.client_address, "/manifest", manifest)
    assert 200 == status, body
    shown = root(running.client_address)
    running.kill()
    move_to_another_machine(running.folder)
    running = begin(tmp_path / "dev", *options, **environ)
    assert (3, shown) == (phase(running.client_address), root(running.client_address))
    assert key_devices.PIN not in running.log
    running.kill()
    running = begin(tmp_path / "dev")
    assert 1 == phase(running.client_address), "without the token's settings it waits for recovery"


@pytest.mark.parametrize("sources", [["TPM"], ["Platform", "TPM"]])
def test_a_tpm_opens_the_state_on_another_platform(
    tmp_path: Path, program: Path, begin: Begin, sources: list[str]
) -> None:
    with key_devices.tpm(tmp_path / "tpm") as tcti:
        settings = tmp_path / "coordinator.toml"
        settings.write_text(f'tpm = "{tcti}"\ntpm_pcrs = "sha256:0"\n')
        options = ("--config", str(settings))
        running = begin(tmp_path / "dev", *options)
        status, body = ask(running.client_address, "/manifest", document(program, Config={"KeySources": sources}))
        assert 200 == status, body
        shown = root(running.client_address)
        running.kill()
        move_to_another_machine(running.folder)
        running = begin(tmp_path / "dev", *options)
        assert (3, shown) == (phase(running.client_address), root(running.client_address))


def test_a_manifest_that_names_what_is_not_configured_is_refused(tmp_path: Path, program: Path, begin: Begin) -> None:
    running = begin(tmp_path / "dev")
    status, body = ask(running.client_address, "/manifest", document(program, Config={"KeySources": ["TPM"]}))
    assert (400, True) == (status, b"key source tpm: this coordinator's configuration has none" in body), body
    assert 2 == phase(running.client_address)
