"""Other key sources than the environment: a TPM and a PKCS#11 token keep the data key, and only they."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator.journal.errors import KeySourceFailed, KeyUnusable
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.source import KeySource
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.vault import Locked, Opened, Vault
from tests.journal.test_vault import Machine, draw, vault_of
from tests.support import key_devices

KEY, ID, OTHER_ID = DataKey(b"k" * 32), JournalId(b"i" * 16), JournalId(b"o" * 16)
PCRS = "sha256:0,16"


@pytest.fixture(scope="module")
def tcti(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with key_devices.tpm(tmp_path_factory.mktemp("tpm")) as tcti:
        yield tcti


def test_a_tpm_gives_back_what_it_keeps_and_only_for_its_journal(tcti: str) -> None:
    from coordinator.journal.tpm import Tpm

    source = Tpm(tcti, PCRS)
    wrapped = source.wrap(KEY, "ProductKey", ID)
    assert KEY == source.unwrap(wrapped, ID)
    assert KEY.secret not in wrapped
    with pytest.raises(KeyUnusable, match="journal id"):
        source.unwrap(wrapped, OTHER_ID)


def test_a_tpm_whose_machine_started_something_else_keeps_the_key(tcti: str) -> None:
    from tpm2_pytss import ESAPI, ESYS_TR

    from coordinator.journal.tpm import Tpm

    wrapped = Tpm(tcti, PCRS).wrap(KEY, "ProductKey", ID)
    with ESAPI(tcti) as device:
        device.pcr_event(ESYS_TR.PCR16, b"another kernel")
    with pytest.raises(KeyUnusable, match="sha256:0,16 as they were"):
        Tpm(tcti, PCRS).unwrap(wrapped, ID)
    with ESAPI(tcti) as device:
        device.pcr_reset(ESYS_TR.PCR16)
    assert KEY == Tpm(tcti, PCRS).unwrap(wrapped, ID), "the same start, the same key"


def test_another_tpm_does_not_open_it_and_none_at_all_is_said(tcti: str, tmp_path: Path) -> None:
    from coordinator.journal.tpm import Tpm

    wrapped = Tpm(tcti, PCRS).wrap(KEY, "ProductKey", ID)
    with key_devices.tpm(tmp_path / "other") as other, pytest.raises(KeyUnusable, match="this TPM"):
        Tpm(other, PCRS).unwrap(wrapped, ID)
    with pytest.raises(KeySourceFailed, match="TPM swtpm:path=/nowhere"):
        Tpm("swtpm:path=/nowhere", PCRS).wrap(KEY, "ProductKey", ID)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=st.binary(max_size=300) | st.binary(max_size=300).map(lambda raw: b"\x01\x00\x20" + raw))
def test_no_bytes_of_the_host_make_a_tpm_fail_in_any_other_way(tcti: str, raw: bytes) -> None:
    from coordinator.journal.tpm import Tpm

    with pytest.raises(KeyUnusable):
        Tpm(tcti, PCRS).unwrap(raw, ID)


def test_a_token_gives_back_what_it_keeps_and_nothing_that_was_changed(tmp_path: Path) -> None:
    """In a process of its own: a PKCS#11 library reads its configuration once."""
    environ, pin = key_devices.token(tmp_path, "enclasp")
    script = tmp_path / "script.py"
    script.write_text(_TOKEN_SCRIPT)
    command = [sys.executable, str(script), str(key_devices.SOFTHSM), str(pin)]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        command,
        env={**os.environ, **environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "all well\n") == (done.returncode, done.stdout), done.stderr


_TOKEN_SCRIPT = """
import os, sys
from dataclasses import replace
from pathlib import Path
from coordinator.journal.errors import KeySourceFailed, KeyUnusable
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.pkcs11 import Pkcs11Token, TokenAccess

def refused(error, source, wrapped, journal):
    try:
        source.unwrap(wrapped, JournalId(journal))
    except error as refusal:
        return str(refusal)
    raise SystemExit(f"not refused: {wrapped!r}")

key, journal = DataKey(b"k" * 32), JournalId(b"i" * 16)
access = TokenAccess(sys.argv[1], "enclasp", "coordinator", Path(sys.argv[2]))
source = Pkcs11Token(access, os.urandom)
wrapped = source.wrap(key, "ProductKey", journal)
assert key == source.unwrap(wrapped, journal)
assert key == Pkcs11Token(access, os.urandom).unwrap(source.wrap(key, "UniqueKey", journal), journal)
for at in (0, 1, 20, 30, len(wrapped) - 1):
    changed = bytearray(wrapped); changed[at] ^= 1
    refused(KeyUnusable, source, bytes(changed), journal)
refused(KeyUnusable, source, wrapped[:-1], journal)
refused(KeyUnusable, source, b"", journal)
refused(KeyUnusable, source, wrapped, b"o" * 16)
assert "none" in refused(KeyUnusable, Pkcs11Token(replace(access, key="another"), os.urandom), wrapped, journal)
wrong = Path(sys.argv[2]).with_name("wrong"); wrong.write_text("9999")
said = refused(KeySourceFailed, Pkcs11Token(replace(access, pin_file=wrong), os.urandom), wrapped, journal)
assert "9999" not in said, said
refused(KeySourceFailed, Pkcs11Token(replace(access, token="missing"), os.urandom), wrapped, journal)
refused(KeySourceFailed, Pkcs11Token(replace(access, module="/nowhere.so"), os.urandom), wrapped, journal)
print("all well")
"""


async def test_any_of_several_sources_opens_the_same_journal(tmp_path: Path, tcti: str) -> None:
    from coordinator.journal.source import Environment
    from coordinator.journal.tpm import Tpm

    def vault(machine: bytes, *, tpm: str = tcti) -> Vault:
        sources: list[KeySource] = [Environment(Machine(machine), draw), Tpm(tpm, "sha256:0")]
        return Vault(SqliteStorage(tmp_path), sources, draw)

    journal = vault(b"one").found([b"a"], "ProductKey", ["cce", "tpm"])
    await journal.close()
    for machine, tpm in ((b"two", tcti), (b"one", "swtpm:path=/nowhere")):
        opened = vault(machine, tpm=tpm).open()
        assert isinstance(opened, Opened), machine
        await opened.journal.close()
    gone = vault(b"two", tpm="swtpm:path=/nowhere")
    assert isinstance(gone.open(), Locked)
    gone.close()


def test_a_source_that_is_not_configured_is_refused_by_name(tmp_path: Path) -> None:
    vault = vault_of(tmp_path, Machine(b"one"))
    with pytest.raises(KeySourceFailed, match="key source tpm: this coordinator's configuration has none"):
        vault.check("ProductKey", ["cce", "tpm"])
    vault.check("Disabled", ["tpm"])
    vault.close()
