"""A TPM 2.0 keeps the journal's data key, for this machine in the state that its PCRs had.

    version u8 = 1 | length of public u16 big endian | TPM2B_PUBLIC | TPM2B_PRIVATE

The sealed object holds the data key and the journal's id; its parent is an ECC P-256 primary key of the owner
hierarchy, made anew each time from the TPM's seed; its policy is PolicyPCR.  What passes between us and the TPM is
encrypted in sessions that are salted with that primary key.  Source: TPM 2.0 Library, part 3, TPM2_Create, TPM2_Unseal.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tpm2_pytss import (
    ESAPI,
    ESYS_TR,
    TPM2_ALG,
    TPM2_SE,
    TPM2B_PRIVATE,
    TPM2B_PUBLIC,
    TPM2B_SENSITIVE_CREATE,
    TPM2B_SENSITIVE_DATA,
    TPMA_OBJECT,
    TPMA_SESSION,
    TPMS_KEYEDHASH_PARMS,
    TPMS_SENSITIVE_CREATE,
    TPMT_KEYEDHASH_SCHEME,
    TPMT_PUBLIC,
    TPMT_SYM_DEF,
    TPMU_PUBLIC_PARMS,
    TPMU_SYM_KEY_BITS,
    TPMU_SYM_MODE,
    TSS2_Exception,
)

from coordinator.journal.errors import KeySourceFailed, KeyUnusable
from coordinator.journal.key import DATA_KEY_BYTES, JOURNAL_ID_BYTES, DataKey, JournalId


class Tpm:
    """A `KeySource`.  The seal mode means nothing here: the PCRs say what the machine has started.

    tcti: how to reach it, as tpm2-tss writes it, for example device:/dev/tpmrm0.  pcrs: for example sha256:0,2,4,7.
    """

    name: Final = "tpm"

    def __init__(self, tcti: str, pcrs: str) -> None:
        self._tcti, self._pcrs = tcti, pcrs

    def wrap(self, data_key: DataKey, mode: str, journal_id: JournalId) -> bytes:
        """As `KeySource.wrap`.  Raises KeySourceFailed."""
        with self._open() as tpm, primary_key(tpm) as parent:
            with encrypted_session(tpm, parent, TPM2_SE.TRIAL) as trial:
                tpm.policy_pcr(trial, b"", self._pcrs)
                policy = tpm.policy_get_digest(trial)
            sensitive = TPMS_SENSITIVE_CREATE(data=TPM2B_SENSITIVE_DATA(data_key.secret + journal_id))
            with encrypted_session(tpm, parent, TPM2_SE.HMAC) as encrypted:
                private, public, *_ = tpm.create(
                    parent, TPM2B_SENSITIVE_CREATE(sensitive), _sealed_object(bytes(policy)), session2=encrypted
                )
        public_bytes = bytes(public.marshal())
        return bytes((_VERSION,)) + len(public_bytes).to_bytes(2, "big") + public_bytes + bytes(private.marshal())

    def unwrap(self, wrapped: bytes, journal_id: JournalId) -> DataKey:
        """As `KeySource.unwrap`."""
        public, private = _parse(wrapped)
        with self._open() as tpm, primary_key(tpm) as parent:
            try:
                loaded = tpm.load(parent, private, public)
                with _object(tpm, loaded) as sealed, encrypted_session(tpm, parent, TPM2_SE.POLICY) as policy:
                    tpm.policy_pcr(policy, b"", self._pcrs)
                    content = bytes(tpm.unseal(sealed, session1=policy))
            except TSS2_Exception as cause:
                expected = f"this TPM, with {self._pcrs} as they were"
                raise KeyUnusable("TPM", expected, f"{cause}: another TPM, or it started something else") from cause
        if len(content) != DATA_KEY_BYTES + JOURNAL_ID_BYTES or content[DATA_KEY_BYTES:] != journal_id:
            raise KeyUnusable("journal id", journal_id.hex(), "a key of another journal")
        return DataKey(content[:DATA_KEY_BYTES])

    @contextmanager
    def _open(self) -> Iterator[ESAPI]:
        try:
            with ESAPI(self._tcti) as tpm:
                yield tpm
        except (TSS2_Exception, ValueError) as cause:
            raise KeySourceFailed(f"TPM {self._tcti}", str(cause)) from cause


def _parse(wrapped: bytes) -> tuple[TPM2B_PUBLIC, TPM2B_PRIVATE]:
    """The two parts.  Raises KeyUnusable."""
    end = 3 + int.from_bytes(wrapped[1:3], "big")
    if len(wrapped) > _MOST_BYTES or len(wrapped) <= end or wrapped[0] != _VERSION:
        raise KeyUnusable("wrapped key", f"a sealed TPM object of version {_VERSION}", f"{len(wrapped)} bytes")
    try:
        public, public_length = TPM2B_PUBLIC.unmarshal(wrapped[3:end])
        private, private_length = TPM2B_PRIVATE.unmarshal(wrapped[end:])
    except (TSS2_Exception, ValueError) as cause:
        raise KeyUnusable("wrapped key", "a sealed TPM object", str(cause)) from cause
    if (public_length, private_length) != (end - 3, len(wrapped) - end):
        raise KeyUnusable("wrapped key", "a sealed TPM object", "bytes behind it")
    return public, private


@contextmanager
def primary_key(tpm: ESAPI) -> Iterator[ESYS_TR]:
    """The owner hierarchy's ECC key, as the TPM makes it from its seed each time."""
    handle, *_ = tpm.create_primary(None, "ecc")
    with _object(tpm, handle):
        yield handle


@contextmanager
def _object(tpm: ESAPI, handle: ESYS_TR) -> Iterator[ESYS_TR]:
    try:
        yield handle
    finally:
        tpm.flush_context(handle)


@contextmanager
def encrypted_session(tpm: ESAPI, salted_by: ESYS_TR, kind: TPM2_SE) -> Iterator[ESYS_TR]:
    """A session that encrypts the first parameters, both ways."""
    handle = tpm.start_auth_session(salted_by, ESYS_TR.NONE, kind, _AES_CFB, TPM2_ALG.SHA256)
    with _object(tpm, handle):
        encrypted = TPMA_SESSION.ENCRYPT | TPMA_SESSION.DECRYPT | TPMA_SESSION.CONTINUESESSION
        tpm.trsess_set_attributes(handle, encrypted)
        yield handle


def _sealed_object(policy: bytes) -> TPM2B_PUBLIC:
    scheme = TPMS_KEYEDHASH_PARMS(scheme=TPMT_KEYEDHASH_SCHEME(scheme=TPM2_ALG.NULL))
    return TPM2B_PUBLIC(
        TPMT_PUBLIC(
            type=TPM2_ALG.KEYEDHASH,
            nameAlg=TPM2_ALG.SHA256,
            objectAttributes=TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.NODA,
            authPolicy=policy,
            parameters=TPMU_PUBLIC_PARMS(keyedHashDetail=scheme),
        )
    )


_VERSION: Final = 1
_MOST_BYTES: Final = 4096
_AES_CFB: Final = TPMT_SYM_DEF(
    algorithm=TPM2_ALG.AES, keyBits=TPMU_SYM_KEY_BITS(aes=128), mode=TPMU_SYM_MODE(aes=TPM2_ALG.CFB)
)
