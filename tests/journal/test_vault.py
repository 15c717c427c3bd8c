"""The vault: sealed by this machine's key, never overwriting what it cannot open."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from attestation.collect.finder import HardwareIssuer
from attestation.collect.tdx_device import TdxTsmDevice
from attestation.errors import NoSealingKey
from attestation.evidence import Evidence
from attestation.issue import Issuer
from attestation.kinds import Kind
from coordinator.journal.errors import StorageFailed, WriteUncertain
from coordinator.journal.keyring import NoJournal
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.source import Environment
from coordinator.journal.sqlite import SqliteStorage
from coordinator.journal.storage import Storage
from coordinator.journal.vault import Locked, Opened, Vault


class Machine:
    """A confidential environment with a sealing key of its own; it issues no evidence here."""

    kind = Kind.TDX
    simulated = True

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, report_data: bytes) -> Evidence:
        raise AssertionError("a vault asks for no evidence")

    def sealing_key(self, mode: str) -> bytes:
        return (self._secret + mode.encode()).ljust(32, b"\0")[:32]


def draw(size: int, _counter: list[int] = [0]) -> bytes:  # noqa: B006 - one counter for all draws of the tests
    _counter[0] += 1
    return _counter[0].to_bytes(8, "big").rjust(size, b"\x05")[:size]


def vault_of(folder: Path, issuer: Issuer) -> Vault:
    return vault_on(SqliteStorage(folder), issuer)


def vault_on(storage: Storage, issuer: Issuer) -> Vault:
    return Vault(storage, [Environment(issuer, draw)], draw)


async def test_what_was_founded_opens_on_the_same_machine(tmp_path: Path) -> None:
    vault = vault_of(tmp_path, Machine(b"one"))
    assert isinstance(vault.open(), NoJournal)
    journal = vault.found([b"a", b"b"], "ProductKey", ["cce"])
    await journal.append([b"c"])
    await journal.close()
    again = vault_of(tmp_path, Machine(b"one")).open()
    assert isinstance(again, Opened)
    assert [b"a", b"b", b"c"] == again.bodies
    await again.journal.close()


async def test_another_machine_waits_for_recovery_and_keeps_the_old_state_aside(tmp_path: Path) -> None:
    journal = vault_of(tmp_path, Machine(b"one")).found([b"a"], "ProductKey", ["cce"])
    await journal.close()
    other = vault_of(tmp_path, Machine(b"two"))
    locked = other.open()
    assert isinstance(locked, Locked)
    assert "journal key" in str(locked.reason)
    fresh = other.found([b"z"], "UniqueKey", ["cce"])
    await fresh.close()
    assert [p.name for p in sorted(tmp_path.glob("journal.db*")) if p.name.endswith(".old")] == ["journal.db.old"]
    reopened = vault_of(tmp_path, Machine(b"two")).open()
    assert isinstance(reopened, Opened)
    assert [b"z"] == reopened.bodies
    await reopened.journal.close()


async def test_seal_mode_disabled_writes_nothing(tmp_path: Path) -> None:
    vault = vault_of(tmp_path / "state", Machine(b"one"))
    assert isinstance(vault.open(), NoJournal)
    journal = vault.found([b"a"], "Disabled", ["cce"])
    await journal.close()
    vault.close()
    assert isinstance(vault_of(tmp_path / "state", Machine(b"one")).open(), NoJournal)


@pytest.mark.parametrize("mode", ["ProductKey", "UniqueKey"])
async def test_the_mode_that_sealed_it_is_the_mode_that_opens_it(tmp_path: Path, mode: str) -> None:
    journal = vault_of(tmp_path, Machine(b"m")).found([b"a"], mode, ["cce"])
    await journal.close()
    opened = vault_of(tmp_path, Machine(b"m")).open()
    assert isinstance(opened, Opened)
    await opened.journal.close()


def trust_domain() -> HardwareIssuer:
    device = TdxTsmDevice()
    return HardwareIssuer("configfs-tsm, TDX", Kind.TDX, device, device.sealing_key)


@pytest.mark.parametrize("mode", ["ProductKey", "UniqueKey"])
def test_a_mode_without_a_key_is_refused_with_what_to_do(tmp_path: Path, mode: str) -> None:
    vault = vault_of(tmp_path, trust_domain())
    with pytest.raises(NoSealingKey, match=f"{mode}: a TDX module derives no key.*SealMode to Disabled"):
        vault.check(mode, ["cce"])
    with pytest.raises(NoSealingKey):
        vault.found([b"a"], mode, ["cce"])
    assert isinstance(vault.open(), NoJournal), "nothing was written"


async def test_a_disabled_seal_mode_needs_no_key(tmp_path: Path) -> None:
    vault = vault_of(tmp_path, trust_domain())
    vault.check("Disabled", ["cce"])
    journal = vault.found([b"a"], "Disabled", ["cce"])
    await journal.append([b"b"])
    await journal.close()


async def test_a_state_that_came_from_a_machine_with_a_key_waits_for_recovery(tmp_path: Path) -> None:
    journal = vault_of(tmp_path, Machine(b"one")).found([b"a"], "ProductKey", ["cce"])
    await journal.close()
    locked = vault_of(tmp_path, trust_domain()).open()
    assert isinstance(locked, Locked)
    assert "a TDX module derives no key" in str(locked.reason)


class LyingDisk(MemoryStorage):
    """Keeps a new journal and says that it failed; cannot move it aside while it is broken."""

    broken = False

    def create(self, meta: Mapping[str, bytes], records: Sequence[bytes]) -> None:
        super().create(meta, records)
        raise StorageFailed("this disk", "write", "input/output error")

    def move_aside(self) -> None:
        if self.broken:
            raise StorageFailed("this disk", "move", "input/output error")
        super().move_aside()


def test_a_state_whose_write_failed_is_not_found_by_a_restart() -> None:
    disk = LyingDisk()
    vault = vault_on(disk, Machine(b"one"))
    with pytest.raises(StorageFailed) as failed:
        vault.found([b"a"], "ProductKey", ["cce"])
    assert "R405" == failed.value.code
    assert isinstance(vault.open(), NoJournal)


def test_a_state_of_which_nobody_knows_whether_it_was_kept_is_said_to_be_so() -> None:
    disk = LyingDisk()
    disk.broken = True
    with pytest.raises(WriteUncertain, match=r"(?s)input/output error.*\n.*restart the coordinator"):
        vault_on(disk, Machine(b"one")).found([b"a"], "ProductKey", ["cce"])
