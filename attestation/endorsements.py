"""What the vendors say about their platforms: a frozen bag of collateral.  Reading it trusts nothing in it."""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from attestation.anchors import MALFORMED, common_name
from attestation.errors import EndorsementFormatError, in_words
from attestation.kinds import Kind

BUNDLE_FORMAT: Final = "enclasp-collateral/1"
SECTIONS: Final = (Kind.SEV_SNP, Kind.NITRO, Kind.CCA, Kind.NVIDIA_GPU, Kind.AZURE_VTPM)
MAX_BUNDLE_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DcapCollateral:
    """Intel's QuoteCollateralV3: one kind of platform (FMSPC, CA) at one time.

    kind, fmspc (lower-case hex) and ca (common name of the PCK CRL's issuer, empty if unreadable) are read from the
    unverified contents, only to find the collateral of a quote.  Chains are PEM, lists are DER, documents are the
    exact signed bytes, signatures are 64 bytes r || s.
    """

    kind: Kind
    fmspc: str
    ca: str
    pck_crl_issuer_chain: bytes
    root_ca_crl: bytes
    pck_crl: bytes
    tcb_info_issuer_chain: bytes
    tcb_info: bytes
    tcb_info_signature: bytes
    qe_identity_issuer_chain: bytes
    qe_identity: bytes
    qe_identity_signature: bytes


@dataclass(frozen=True, slots=True)
class Endorsements:
    """All collateral that a Verifier may use.

    sections: of a bundle, by platform, still JSON; files: that lay beside the evidence, by file name.  Each room reads
    its own section and files, and verifies everything that it takes from them.
    """

    dcap: tuple[DcapCollateral, ...] = ()
    sections: Mapping[Kind, tuple[object, ...]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    @staticmethod
    def none() -> "Endorsements":
        """No collateral at all: nothing can be shown to be genuine with it."""
        return Endorsements()

    def of_platform(self, kind: Kind, fmspc: str, ca: str) -> tuple[DcapCollateral, ...]:
        """The collateral for a machine; several if the bundle holds several times.  fmspc: lower-case hex."""
        return tuple(c for c in self.dcap if c.kind is kind and c.fmspc == fmspc and c.ca in (ca, ""))

    def platforms(self) -> str:
        """What there is collateral for, in words."""
        return ", ".join(sorted({f"{c.kind} FMSPC {c.fmspc} ({c.ca})" for c in self.dcap})) or "nothing"

    def and_those(self, others: "Endorsements") -> "Endorsements":
        """Both."""
        kinds = {*self.sections, *others.sections}
        sections = {kind: (*self.sections.get(kind, ()), *others.sections.get(kind, ())) for kind in kinds}
        return Endorsements(self.dcap + others.dcap, sections, {**self.files, **others.files})


def parse_bundle(raw: bytes) -> Endorsements:
    """Read our bundle (`{"format": "enclasp-collateral/1", "dcap": […]}`) or one bare QuoteCollateralV3 as JSON.

    Raises EndorsementFormatError.  Source of the fields: Intel SGX DCAP quote verification library,
    `sgx_ql_qve_collateral_t`; revocation lists and signatures are hex.
    """
    if len(raw) > MAX_BUNDLE_BYTES:
        raise EndorsementFormatError(f"collateral: expected at most {MAX_BUNDLE_BYTES} bytes, got {len(raw)}")
    document = _json_object(raw, "collateral")
    if "format" not in document and not any(name in document for name in (*_CHAINS, *_DOCUMENTS, *_BINARIES)):
        raise EndorsementFormatError(f"collateral: expected format '{BUNDLE_FORMAT}' or Intel's fields, got neither")
    if "format" not in document:
        return Endorsements((_collateral(document, "collateral"),))
    if document["format"] != BUNDLE_FORMAT:
        raise EndorsementFormatError(f"collateral: expected format '{BUNDLE_FORMAT}', got {document['format']!r:.60}")
    dcap = _items(document, "dcap")
    sections = {kind: _items(document, kind.value) for kind in SECTIONS if kind.value in document}
    return Endorsements(tuple(_collateral(item, f"collateral /dcap/{i}") for i, item in enumerate(dcap)), sections)


def encode_bundle(
    collateral: tuple[Mapping[str, str], ...], sections: Mapping[Kind, tuple[object, ...]] | None = None
) -> bytes:
    """A bundle of QuoteCollateralV3 objects (field names and values as Intel's, hex for binary ones), and sections."""
    document: dict[str, object] = {"format": BUNDLE_FORMAT, "dcap": list(collateral)}
    document |= {kind.value: list(items) for kind, items in (sections or {}).items()}
    return json.dumps(document, indent=1).encode() + b"\n"


def read_section(items: object, section: str, keys: tuple[str, ...]) -> Iterator[tuple[str, bytes, str]]:
    """A platform's list in a bundle: objects `{key: base64}` with one of the keys.  Gives key, bytes and place of each.

    Raises EndorsementFormatError.
    """
    if not isinstance(items, list):
        raise EndorsementFormatError(f"collateral /{section}: expected a list, got {in_words(items)}")
    for index, item in enumerate(items):
        place = f"collateral /{section}/{index}"
        if not isinstance(item, dict) or len(item) != 1:
            raise EndorsementFormatError(f"{place}: expected an object with one key, got {in_words(item)}")
        [(key, text)] = item.items()
        if key not in keys:
            wanted = " or ".join(f"'{name}'" for name in keys)
            raise EndorsementFormatError(f"{place}: expected the key {wanted}, got '{key!s:.40}'")
        yield key, from_base64(text, place), place


def from_base64(text: object, place: str) -> bytes:
    """The bytes of a text in base64, with padding and nothing else.  Raises EndorsementFormatError."""
    if not isinstance(text, str):
        raise EndorsementFormatError(f"{place}: expected base64 text, got {in_words(text)}")
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise EndorsementFormatError(f"{place}: expected base64 text, got {error}") from error


def _items(document: Mapping[str, object], name: str) -> tuple[object, ...]:
    items = document.get(name, [])
    if not isinstance(items, list):
        raise EndorsementFormatError(f"collateral /{name}: expected a list, got {in_words(items)}")
    return tuple(items)


def _collateral(item: object, place: str) -> DcapCollateral:
    if not isinstance(item, dict):
        raise EndorsementFormatError(f"{place}: expected an object, got {in_words(item)}")
    texts = {name: _text(item, name, place) for name in (*_CHAINS, *_DOCUMENTS, *_BINARIES)}
    binaries = {name: _hex(texts[name], f"{place}/{name}") for name in _BINARIES}
    raw = {name: texts[name].encode() for name in (*_CHAINS, *_DOCUMENTS)} | binaries
    tcb_info = _json_object(raw["tcb_info"], f"{place}/tcb_info")
    kind = _KINDS.get(str(tcb_info.get("id", "SGX")))
    if kind is None:
        raise EndorsementFormatError(f"{place}/tcb_info/id: expected SGX or TDX, got {tcb_info['id']!r:.60}")
    fmspc = str(tcb_info.get("fmspc", "")).lower()
    return DcapCollateral(kind, fmspc, _ca(raw["pck_crl_issuer_chain"]), **raw)


def _ca(chain: bytes) -> str:
    """Common name of the certificate that issues PCK certificates: the one that is not a root."""
    try:
        certificates = x509.load_pem_x509_certificates(chain)
        return next((common_name(c.subject) for c in certificates if c.subject != c.issuer), "")
    except MALFORMED:
        return ""


def _json_object(raw: bytes, place: str) -> dict[str, object]:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        got = f"{error.msg} (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else str(error)
        raise EndorsementFormatError(f"{place}: expected JSON, got: {got}") from error
    if not isinstance(document, dict):
        raise EndorsementFormatError(f"{place}: expected an object, got {in_words(document)}")
    return document


def _text(item: dict[object, object], name: str, place: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise EndorsementFormatError(f"{place}/{name}: expected a string, got {in_words(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise EndorsementFormatError(f"{place}/{name}: expected Unicode text, got {error.reason}") from error
    return value


def _hex(value: str, place: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise EndorsementFormatError(f"{place}: expected hex digits, got {value!r:.40}") from error


_KINDS: Final[Mapping[str, Kind]] = {"SGX": Kind.SGX, "TDX": Kind.TDX}
_CHAINS: Final = ("pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain")
_DOCUMENTS: Final = ("tcb_info", "qe_identity")
_BINARIES: Final = ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature")
