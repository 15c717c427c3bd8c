"""A TPM remembers the journal's last record, for who has the journal's key and nobody else (a real swtpm)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coordinator.journal.errors import WitnessFailed
from coordinator.journal.journal import Journal
from coordinator.journal.key import DataKey, JournalId
from coordinator.journal.memory import MemoryStorage
from coordinator.journal.witness import Head, Memory, NothingRemembered
from tests.support import key_devices

if TYPE_CHECKING:
    from tpm2_pytss import ESAPI, ESYS_TR

INDEX = 0x0180_454E
ID, OTHER = JournalId(b"i" * 16), JournalId(b"o" * 16)
KEY = DataKey(b"k" * 32)
OLD, NEW = Head(2**63, bytes(range(32))), Head(2**63 + 1, b"n" * 32)


@pytest.fixture(scope="module")
def tcti(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with key_devices.tpm(tmp_path_factory.mktemp("tpm")) as tcti:
        yield tcti


def memory(tcti: str, *, journal_id: JournalId = ID, key: DataKey = KEY, index: int = INDEX) -> Memory:
    from coordinator.journal.tpm_witness import TpmWitness

    return TpmWitness(tcti, index).of(journal_id, key)


def why(found: Head | NothingRemembered | None) -> str:
    assert isinstance(found, NothingRemembered)
    return found.why


@contextmanager
def owner(tcti: str) -> Iterator[tuple["ESAPI", "ESYS_TR"]]:
    """The host, who owns the TPM, with its hands on the index."""
    from tpm2_pytss import ESAPI

    with ESAPI(tcti) as tpm:
        yield tpm, tpm.tr_from_tpmpublic(INDEX)


def forged(tcti: str, auth: bytes, content: bytes) -> None:
    """The host puts an index of its own in the place of the coordinator's."""
    from tpm2_pytss import TPM2_ALG, TPM2B_NV_PUBLIC, TPMA_NV, TPMS_NV_PUBLIC

    attributes = TPMA_NV.AUTHREAD | TPMA_NV.AUTHWRITE | TPMA_NV.NO_DA
    with owner(tcti) as (tpm, index):
        tpm.nv_undefine_space(index)
        public = TPMS_NV_PUBLIC(nvIndex=INDEX, nameAlg=TPM2_ALG.SHA256, attributes=attributes, dataSize=len(content))
        mine = tpm.nv_define_space(auth, TPM2B_NV_PUBLIC(public))
        tpm.tr_set_auth(mine, auth)
        tpm.nv_write(mine, content)


def test_what_it_was_told_is_what_it_remembers_also_for_another_process(tcti: str) -> None:
    first = memory(tcti)
    first.begin(OLD)
    assert OLD == first.recall()
    first.remember(NEW)
    assert NEW == memory(tcti).recall()
    memory(tcti, index=INDEX + 1).begin(OLD)
    assert NEW == first.recall(), "each index is one coordinator's"


def test_it_knows_nothing_of_another_journal_or_for_another_key(tcti: str) -> None:
    memory(tcti).begin(OLD)
    for other in (memory(tcti, journal_id=OTHER), memory(tcti, key=DataKey(b"x" * 32))):
        assert "is not this journal's" in why(other.recall())
    assert "is not there" in why(memory(tcti, index=INDEX + 7).recall())
    assert OLD == memory(tcti).recall()


def test_the_host_can_remove_it_and_that_is_noticed_but_cannot_put_an_old_one_in_its_place(tcti: str) -> None:
    first = memory(tcti)
    first.begin(OLD)
    old_content = b"\x01" + ID + OLD.sequence.to_bytes(8, "big") + OLD.link
    first.remember(NEW)
    for auth in (b"", b"guess"):
        forged(tcti, auth, old_content)
        assert "is not this journal's" in why(memory(tcti).recall())
        with pytest.raises(WitnessFailed):
            first.remember(NEW)
    with owner(tcti) as (tpm, index):
        tpm.nv_undefine_space(index)
    assert "is not there" in why(memory(tcti).recall())
    first.begin(NEW)
    assert NEW == memory(tcti).recall()


def test_without_the_key_it_cannot_be_written(tcti: str) -> None:
    from tpm2_pytss import TSS2_Exception

    memory(tcti).begin(OLD)
    for auth in (b"", b"guess"):
        with owner(tcti) as (tpm, index):
            tpm.tr_set_auth(index, auth)
            with pytest.raises(TSS2_Exception):
                tpm.nv_write(index, b"\0" * 57)
    assert OLD == memory(tcti).recall()


def test_a_copy_of_the_coordinator_that_runs_beside_it_is_noticed(tcti: str) -> None:
    first, copy = memory(tcti), memory(tcti)
    first.begin(OLD)
    assert OLD == copy.recall()
    copy.remember(NEW)
    with pytest.raises(WitnessFailed, match="another record than the last one of this coordinator"):
        first.remember(Head(NEW.sequence, b"f" * 32))
    assert NEW == memory(tcti).recall()


async def test_a_journal_goes_on_with_it_and_an_older_copy_is_doubted(tcti: str) -> None:
    from coordinator.journal.tpm_witness import TpmWitness

    witness, storage = TpmWitness(tcti, INDEX), MemoryStorage()
    journal = Journal.create(storage, KEY, [b"a"], journal_id=ID, wrapped_keys={}, notes={}, witness=witness)
    older = MemoryStorage()
    older.create(storage.read_meta(), storage.read().records)
    await twelve_more(journal)
    await journal.close()
    assert "" == Journal.open(storage, KEY, witness=witness)[0].doubt
    assert "remembers record 12, and it ends with record 0" in Journal.open(older, KEY, witness=witness)[0].doubt


async def twelve_more(journal: Journal) -> None:
    written = [journal.append([b"b"]) for _ in range(12)]
    for future in written:
        await future


def test_no_tpm_is_said(tcti: str, tmp_path: Path) -> None:
    nowhere = memory(f"swtpm:path={tmp_path / 'nowhere'}")
    for ask in (nowhere.recall, lambda: nowhere.begin(OLD), lambda: nowhere.remember(NEW)):
        with pytest.raises(WitnessFailed, match=r"TPM swtpm:path=.*index 0x0180454e"):
            ask()
