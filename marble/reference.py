"""What must the coordinator be?  A document of Reference Values, as strict as its use.

Either one object per kind, `{"TDX": {"MRTD": "…"}, "SGX": {"MRENCLAVE": "…"}}` (one of them is enough), or
MarbleRun's flat form for SGX, `{"UniqueID": "…"}` or `{"SignerID": "…", "ProductID": 1, "SecurityVersion": 2}`.
JSON is read whole.  Of YAML only `plain_lines.py` is read, which is what a coordinator writes into its reference.yaml:
a YAML reader would be a fourth dependency inside every workload.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeAlias

from attestation.claims import ReferenceValues, TcbPolicy, TcbStatus
from attestation.sgx.claims import SgxReferenceValues
from attestation.tdx.claims import TdxReferenceValues
from marble.plain_lines import parse_plain_lines

MAX_DOCUMENT_BYTES: Final = 64 * 1024
_SGX_BYTES: Final = 32
_TDX_BYTES: Final = 48
_RTMRS: Final = ("RTMR0", "RTMR1", "RTMR2", "RTMR3")
_TCB: Final = frozenset({"AcceptedTCBStatuses", "AcceptedAdvisories"})
_TDX_KEYS: Final = frozenset({"MRTD", *_RTMRS, "MRConfigID", "MROwner", "MROwnerConfig"}) | _TCB
_SGX_KEYS: Final = frozenset({"MRENCLAVE", "UniqueID", "MRSIGNER", "SignerID", "ISVProdID", "ISVSVN"}) | _TCB
_FLAT_KEYS: Final = frozenset({"UniqueID", "SignerID", "ProductID", "SecurityVersion", "Debug"}) | _TCB
_FIELDS: Final = {
    "UniqueID": "mrenclave",
    "SignerID": "mrsigner",
    "ProductID": "isvprodid",
    "SecurityVersion": "isvsvn",
    "AcceptedTCBStatuses": "tcb",
}

Fields: TypeAlias = Mapping[str, Any]


class ReferenceFormatError(Exception):
    """The document is no set of Reference Values: the message says where, what was expected, and what was found."""


def parse_reference(raw: bytes, *, name: str) -> tuple[ReferenceValues, ...]:
    """Read the document; each result is an alternative, and one of them is enough.  name: for the messages.

    Every alternative fixes what runs: a document without a measurement is refused.  Raises ReferenceFormatError.
    """
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise ReferenceFormatError(f"{name}: expected at most {MAX_DOCUMENT_BYTES} bytes, got {len(raw)}")
    try:
        text = raw.decode("utf-8")
        document = _json(text) if text.lstrip()[:1] in ("{", "[") else parse_plain_lines(text)
    except (ValueError, RecursionError) as cause:
        raise ReferenceFormatError(f"{name}: expected reference values in JSON or plain YAML: {cause}") from cause
    if isinstance(document, dict) and document.keys() & {"TDX", "SGX"}:
        kinds = _Section(document, name, "").known(frozenset({"TDX", "SGX"}))
        readers: Mapping[str, Callable[[_Section], ReferenceValues]] = {"TDX": _tdx, "SGX": _sgx}
        return tuple(readers[kind](_Section(fields, name, f"/{kind}")) for kind, fields in kinds.items())
    return (_flat(_Section(document, name, "")),)


def _tdx(section: "_Section") -> TdxReferenceValues:
    fields = section.known(_TDX_KEYS)
    mrtd = section.measurement("MRTD", _TDX_BYTES)
    if mrtd is None:
        section.refuse("MRTD", "a measurement of 48 bytes in hex", "nothing")
    return TdxReferenceValues(
        mrtd=mrtd,
        rtmrs={
            index: value
            for index, key in enumerate(_RTMRS)
            if (value := section.measurement(key, _TDX_BYTES)) is not None
        },
        mrconfigid=section.measurement("MRConfigID", _TDX_BYTES),
        mrowner=section.measurement("MROwner", _TDX_BYTES),
        mrownerconfig=section.measurement("MROwnerConfig", _TDX_BYTES),
        tcb=section.tcb_policy(frozenset()),
        sources=section.sources(fields),
    )


def _sgx(section: "_Section") -> SgxReferenceValues:
    fields = section.known(_SGX_KEYS)
    section.refuse_both("MRENCLAVE", "UniqueID")
    section.refuse_both("MRSIGNER", "SignerID")
    enclave = section.measurement("MRENCLAVE", _SGX_BYTES) or section.measurement("UniqueID", _SGX_BYTES)
    signer = section.measurement("MRSIGNER", _SGX_BYTES) or section.measurement("SignerID", _SGX_BYTES)
    product, version = section.number("ISVProdID"), section.number("ISVSVN")
    if enclave is None and None in (signer, product, version):
        section.refuse("", "MRENCLAVE, or MRSIGNER with ISVProdID and ISVSVN", f"{sorted(fields)}")
    return SgxReferenceValues(
        mrenclave=enclave,
        mrsigner=signer,
        isvprodid=product,
        isvsvn=version,
        tcb=section.tcb_policy(frozenset()),
        sources=section.sources(fields),
    )


def _flat(section: "_Section") -> SgxReferenceValues:
    """MarbleRun's own names and defaults (contract 2.3 and 3.1)."""
    fields = section.known(_FLAT_KEYS)
    enclave, signer = section.measurement("UniqueID", _SGX_BYTES), section.measurement("SignerID", _SGX_BYTES)
    product, version = section.number("ProductID"), section.number("SecurityVersion")
    if enclave is None and None in (signer, product, version):
        expected = "TDX, SGX, UniqueID, or SignerID with ProductID and SecurityVersion"
        section.refuse("", expected, f"{sorted(fields)}")
    debug = fields.get("Debug", False)
    if not isinstance(debug, bool):
        section.refuse("Debug", "true or false", ascii(debug))
    return SgxReferenceValues(
        mrenclave=enclave,
        mrsigner=signer,
        isvprodid=product,
        isvsvn=version,
        debug=debug,
        tcb=section.tcb_policy(frozenset({TcbStatus.SW_HARDENING_NEEDED})),
        sources=section.sources(fields),
    )


class _Section:
    """One object of the document, with its place for messages."""

    def __init__(self, value: object, name: str, pointer: str) -> None:
        self._name = name
        self._pointer = pointer
        if not isinstance(value, dict):
            self.refuse("", "an object", type(value).__name__)
        self._fields: Fields = value

    def refuse(self, key: str, expected: str, got: str) -> NoReturn:
        place = f"{self._pointer}/{key}" if key else self._pointer or "/"
        raise ReferenceFormatError(f"{self._name} {place}: expected {expected}, got {got}")

    def known(self, keys: frozenset[str]) -> Fields:
        if unknown := sorted(self._fields.keys() - keys):
            self.refuse(unknown[0], f"one of {', '.join(sorted(keys))}", "an unknown key")
        return self._fields

    def refuse_both(self, key: str, other: str) -> None:
        if key in self._fields and other in self._fields:
            self.refuse(other, f"{key} or {other}", "both")

    def measurement(self, key: str, length: int) -> bytes | None:
        text = self._fields.get(key)
        if text is None:
            return None
        if not isinstance(text, str) or len(text) != 2 * length or not set(text.lower()) <= set("0123456789abcdef"):
            self.refuse(key, f"{length} bytes in hex", ascii(text)[:120])
        return bytes.fromhex(text)

    def number(self, key: str) -> int | None:
        value = self._fields.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 0xFFFF:
            self.refuse(key, "a number from 0 to 65535", ascii(value)[:120])
        return value

    def tcb_policy(self, default: frozenset[TcbStatus]) -> TcbPolicy:
        statuses = self._texts("AcceptedTCBStatuses")
        advisories = self._texts("AcceptedAdvisories")
        legal = {status.value: status for status in TcbStatus}
        for status in statuses:
            if status not in legal:
                self.refuse("AcceptedTCBStatuses", f"some of {', '.join(legal)}", ascii(status))
        return TcbPolicy(
            accepted_statuses=frozenset(legal[status] for status in statuses) or default,
            accepted_advisories=frozenset(advisories) or None,
        )

    def _texts(self, key: str) -> list[str]:
        value = self._fields.get(key) or []
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            self.refuse(key, "a list of texts", ascii(value)[:120])
        return value

    def sources(self, fields: Fields) -> Mapping[str, str]:
        """Where each demand stands; "" is the whole section."""
        places = {_FIELDS.get(key, key.lower()): f"{self._name} {self._pointer}/{key}" for key in fields}
        return {"": f"{self._name} {self._pointer or '/'}", **places}


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
