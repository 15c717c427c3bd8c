"""How a public key, certificate or nonce becomes report data; one function per protocol that we speak."""

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from attestation.kinds import Kind

REPORT_DATA_BYTES = 64


def whole_report_data(report_data: bytes) -> bytes:
    """The same bytes.  Raises ValueError unless there are 64 of them: whoever asks a device fills them up himself."""
    if len(report_data) != REPORT_DATA_BYTES:
        raise ValueError(f"report data: expected {REPORT_DATA_BYTES} bytes, got {len(report_data)}")
    return report_data


@dataclass(frozen=True, slots=True)
class Bound:
    """Report data must be exactly these 64 bytes; `what` names what they bind, in words."""

    report_data: bytes
    what: str

    @property
    def digest(self) -> bytes:
        """SHA-256: what tells Evidence for it from others, whatever is changed in bytes that nobody signed."""
        return hashlib.sha256(self.report_data).digest()


@dataclass(frozen=True, slots=True)
class Unbound:
    """Nobody said what the report data should be.  Said aloud, so that it cannot be forgotten."""


Binding: TypeAlias = Bound | Unbound


@dataclass(frozen=True, slots=True)
class Nonced:
    """The peer was asked with this nonce, which stands where the platform has a place for it.

    Only Nitro documents have a nonce beside their report data (which is their user data); a nonce shows that the
    document is fresh, and nothing of whose key it is about.  NVIDIA's devices have a nonce and no report data.
    """

    nonce: bytes

    def as_bound(self, kind: Kind) -> Bound:
        """The same of a platform that carries nonces as report data, filled up with zeros.

        One that is too long is met by no Evidence, and the words say so.
        """
        what = f"the nonce, in the report data: {kind} evidence has no other place for one"
        if len(self.nonce) > REPORT_DATA_BYTES:
            what = f"a nonce of {len(self.nonce)} bytes; {kind} evidence can hold at most {REPORT_DATA_BYTES}"
        return Bound(self.nonce.ljust(REPORT_DATA_BYTES, b"\0"), what)


Asked: TypeAlias = Binding | Nonced
"""What the Evidence is compared with: all that `Verifier` takes."""


def of_certificate(certificate_der: bytes, nonce: bytes = b"") -> Bound:
    """MarbleRun's binding: SHA-256 over the certificate and the nonce, zero-padded to 64 bytes.

    Source: MarbleRun contract, sections 1.7 (quote) and 2.3 (marble evidence).
    """
    digest = hashlib.sha256(certificate_der + nonce).digest()
    what = "SHA-256 of the certificate and the nonce" if nonce else "SHA-256 of the certificate"
    return Bound(digest + bytes(REPORT_DATA_BYTES - len(digest)), what)


def of_root_key(spki_der: bytes, manifest_digest: bytes) -> Bound:
    """Binding of the evidence inside a root certificate: SHA-512(label || SHA-256(SPKI) || manifest digest).

    manifest_digest: 32 bytes, or empty before a manifest is set.  Source: design.md, 3.
    """
    label = b"enclasp root certificate v1"
    digest = hashlib.sha512(label + hashlib.sha256(spki_der).digest() + manifest_digest).digest()
    return Bound(digest, "SHA-512 of label, root key digest and manifest digest")


def vtpm_nonce(report_data: bytes) -> bytes:
    """What a vTPM is asked with for 64 bytes of report data, for which its nonce is too short: their SHA-256."""
    return hashlib.sha256(report_data).digest()


def of_replica(root_spki_der: bytes, challenge: bytes, recipient: bytes) -> Bound:
    """Binding of a coordinator that asks its leader for the state's key.

    SHA-512(label || SHA-256(the leader's root key, SPKI) || challenge || recipient).  challenge: 32 bytes of the
    leader's, of this minute; recipient: the X25519 key, 32 bytes, for which the answer is encrypted.
    """
    label = b"enclasp replica key v1"
    digest = hashlib.sha512(label + hashlib.sha256(root_spki_der).digest() + challenge + recipient).digest()
    return Bound(digest, "SHA-512 of label, the leader's root key digest, its challenge and the recipient's key")


def of_device(cpu_report_data: bytes) -> Bound:
    """Binding of a GPU's evidence to its processor's: the nonce is SHA-256(label || the processor's report data).

    The nonce is the first 32 bytes, the rest are zeros.  Only the program that chose the processor's report data, and
    nobody before it, can have asked the GPU with this nonce; the processor's evidence says which program that is.
    """
    digest = hashlib.sha256(b"enclasp gpu nonce v1" + cpu_report_data).digest()
    return Bound(digest + bytes(REPORT_DATA_BYTES - len(digest)), "SHA-256 of label and the processor's report data")


def of_join(
    *, nonce: bytes, certificate_der: bytes, sealing_key: bytes, marble_type: str, uuid: str, root_spki_der: bytes
) -> Bound:
    """Binding of a marble that joins with a nonce of its coordinator's.

    SHA-512(label || SHA-256 of each: nonce, TLS client certificate, sealing key, marble type, UUID, the key of the
    coordinator's root).  Texts in UTF-8, as they are sent.  Source: design.md, 5; docs/decisions/0013.
    """
    parts = (nonce, certificate_der, sealing_key, marble_type.encode(), uuid.encode(), root_spki_der)
    digest = hashlib.sha512(b"enclasp join v1" + b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
    return Bound(digest, "SHA-512 of label, nonce, certificate, sealing key, type, UUID and coordinator's root key")


def of_renewal(*, nonce: bytes, certificate_der: bytes, sealing_key: bytes, root_spki_der: bytes) -> Bound:
    """Binding of a marble that asks for new certificates.

    SHA-512(label || SHA-256 of each: nonce, the certificate that it was given, sealing key, the key of the
    coordinator's root).  The certificate says type and UUID.  Source: docs/decisions/0021.
    """
    parts = (nonce, certificate_der, sealing_key, root_spki_der)
    digest = hashlib.sha512(b"enclasp renewal v1" + b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
    return Bound(digest, "SHA-512 of label, nonce, the marble's certificate, sealing key and coordinator's root key")
