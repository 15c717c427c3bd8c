"""A TPM 2.0 remembers a journal's last record in an index of its non-volatile memory.

    version u8 = 1 | journal id (16) | sequence u64 big endian | link (32)

The index is read and written with an authorization value that follows from the journal's key, in HMAC sessions: who
does not know the key can neither write it nor answer for it.  The owner of the TPM can remove the index, or make
another one with the same number; the journal's own is gone then, which is noticed.  Source: TPM 2.0 Library, part 3,
TPM2_NV_DefineSpace, TPM2_NV_Read, TPM2_NV_Write; part 1, 19.6 (HMAC sessions), 37 (NV memory).
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tpm2_pytss import (
    ESAPI,
    ESYS_TR,
    TPM2_ALG,
    TPM2_CAP,
    TPM2_SE,
    TPM2B_AUTH,
    TPM2B_NV_PUBLIC,
    TPMA_NV,
    TPMS_NV_PUBLIC,
    TPMT_SYM_DEF,
    TSS2_Exception,
)

from coordinator.journal.errors import WitnessFailed
from coordinator.journal.key import JOURNAL_ID_BYTES, DataKey, JournalId
from coordinator.journal.record import LINK_BYTES
from coordinator.journal.tpm import encrypted_session, primary_key
from coordinator.journal.witness import Head, NothingRemembered


class TpmWitness:
    """A `Witness`.  tcti: how to reach it, as tpm2-tss writes it.  index: number of the NV index, this state's own."""

    def __init__(self, tcti: str, index: int) -> None:
        self._tcti, self._index = tcti, index

    def of(self, journal_id: JournalId, key: DataKey) -> "_Index":
        """As `Witness.of`."""
        return _Index(self._tcti, self._index, journal_id, hmac.digest(key.secret, _LABEL + journal_id, "sha256"))


class _Index:
    """A `Memory`."""

    def __init__(self, tcti: str, index: int, journal_id: JournalId, auth: bytes) -> None:
        self._tcti, self._number, self._journal_id, self._auth = tcti, index, journal_id, auth
        self._place = f"TPM {tcti}, index {index:#010x}"
        self._known: bytes | None = None

    def recall(self) -> Head | NothingRemembered:
        """As `Memory.recall`."""
        with self._open() as tpm, _hmac_session(tpm) as session:
            if not self._is_there(tpm):
                return NothingRemembered(f"index {self._number:#010x} of the TPM is not there")
            try:
                raw = self._read(tpm, self._index(tpm), session)
            except TSS2_Exception as cause:
                if cause.rc >> _LAYER_SHIFT in _ANSWERED:
                    return NothingRemembered(f"index {self._number:#010x} of the TPM is not this journal's ({cause})")
                raise
        if len(raw) != _CONTENT_BYTES or raw[:1] != _VERSION or raw[1:17] != self._journal_id:
            return NothingRemembered(f"index {self._number:#010x} of the TPM holds something else")
        self._known = raw
        return Head(int.from_bytes(raw[17:25], "big"), raw[25:])

    def begin(self, head: Head) -> None:
        """As `Memory.begin`."""
        raw = self._content(head)
        with self._open() as tpm:
            if self._is_there(tpm):
                tpm.nv_undefine_space(tpm.tr_from_tpmpublic(self._number))
            public = TPMS_NV_PUBLIC(
                nvIndex=self._number, nameAlg=TPM2_ALG.SHA256, attributes=_ATTRIBUTES, dataSize=_CONTENT_BYTES
            )
            with primary_key(tpm) as parent, encrypted_session(tpm, parent, TPM2_SE.HMAC) as encrypted:
                index = tpm.nv_define_space(TPM2B_AUTH(self._auth), TPM2B_NV_PUBLIC(public), session2=encrypted)
            tpm.tr_set_auth(index, self._auth)
            with _hmac_session(tpm) as session:
                tpm.nv_write(index, raw, auth_handle=index, session1=session)
        self._known = raw

    def remember(self, head: Head) -> None:
        """As `Memory.remember`.  What is there is read first, so that a copy of this coordinator is noticed."""
        raw = self._content(head)
        with self._open() as tpm, _hmac_session(tpm) as session:
            index = self._index(tpm)
            if self._read(tpm, index, session) != self._known:
                raise WitnessFailed(self._place, "it remembers another record than the last one of this coordinator")
            tpm.nv_write(index, raw, auth_handle=index, session1=session)
        self._known = raw

    def _content(self, head: Head) -> bytes:
        assert len(head.link) == LINK_BYTES, "a link is a SHA-256"
        return _VERSION + self._journal_id + head.sequence.to_bytes(8, "big") + head.link

    def _is_there(self, tpm: ESAPI) -> bool:
        """Whether there is an index of this number, whoever made it."""
        _, found = tpm.get_capability(TPM2_CAP.HANDLES, self._number)
        return self._number in map(int, found.data.handles)

    def _index(self, tpm: ESAPI) -> ESYS_TR:
        index = tpm.tr_from_tpmpublic(self._number)
        tpm.tr_set_auth(index, self._auth)
        return index

    def _read(self, tpm: ESAPI, index: ESYS_TR, session: ESYS_TR) -> bytes:
        return bytes(tpm.nv_read(index, _CONTENT_BYTES, auth_handle=index, session1=session))

    @contextmanager
    def _open(self) -> Iterator[ESAPI]:
        try:
            with ESAPI(self._tcti) as tpm:
                yield tpm
        except (TSS2_Exception, ValueError) as cause:
            raise WitnessFailed(self._place, str(cause)) from cause


@contextmanager
def _hmac_session(tpm: ESAPI) -> Iterator[ESYS_TR]:
    """A session that authorizes with what the authorization value makes of it; the value itself is never sent."""
    session = tpm.start_auth_session(
        ESYS_TR.NONE, ESYS_TR.NONE, TPM2_SE.HMAC, TPMT_SYM_DEF(algorithm=TPM2_ALG.NULL), TPM2_ALG.SHA256
    )
    try:
        yield session
    finally:
        tpm.flush_context(session)


_VERSION: Final = b"\x01"
_LABEL: Final = b"enclasp witness v1"
_CONTENT_BYTES: Final = 1 + JOURNAL_ID_BYTES + 8 + LINK_BYTES
_ATTRIBUTES: Final = TPMA_NV.AUTHREAD | TPMA_NV.AUTHWRITE | TPMA_NV.NO_DA
_LAYER_SHIFT: Final = 16
_ANSWERED: Final = (0, 7)
"""Layers of a return code that say: the TPM answered, and with no (0), or with an authorization that is wrong (7)."""
