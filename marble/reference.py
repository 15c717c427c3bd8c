"""What must the coordinator be?  A document of Reference Values, as strict as its use.

Either one object per platform, `{"TDX": {"MRTD": "…"}, "SEVSNP": {"Measurement": "…"}}`, of which one is enough, or a
processor with its GPUs, `{"AllOf": [{"TDX": {"MRTD": "…"}}, {"NvidiaGPU": {"RIMs": true}}]}`, or
MarbleRun's flat form for SGX, `{"UniqueID": "…"}` or `{"SignerID": "…", "ProductID": 1, "SecurityVersion": 2}`.
JSON is read whole.  Of YAML only `plain_lines.py` is read, which is what a coordinator writes into its reference.yaml:
a YAML reader would be a fourth dependency inside every workload.
"""

from typing import Final

from attestation.claims import ReferenceValues, TcbStatus
from attestation.sgx.claims import SgxReferenceValues
from attestation.strict_json import parse_json
from marble.plain_lines import parse_plain_lines
from marble.platforms import PLATFORMS, TOGETHER, read_platform, read_together
from marble.section import ReferenceFormatError, Section

MAX_DOCUMENT_BYTES: Final = 64 * 1024
_SGX_BYTES: Final = 32
_FLAT_KEYS: Final = frozenset(
    {"UniqueID", "SignerID", "ProductID", "SecurityVersion", "Debug", "AcceptedTCBStatuses", "AcceptedAdvisories"}
)


def parse_reference(raw: bytes, *, name: str) -> tuple[ReferenceValues, ...]:
    """Read the document; each result is an alternative, and one of them is enough.  name: for the messages.

    Every alternative fixes what runs: a document without a measurement is refused.  Raises ReferenceFormatError.
    """
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise ReferenceFormatError(f"{name}: expected at most {MAX_DOCUMENT_BYTES} bytes, got {len(raw)}")
    try:
        text = raw.decode("utf-8")
        document = parse_json(text) if text.lstrip()[:1] in ("{", "[") else parse_plain_lines(text)
    except (ValueError, RecursionError) as cause:
        raise ReferenceFormatError(f"{name}: expected reference values in JSON or plain YAML: {cause}") from cause
    if isinstance(document, dict) and document.keys() & {*PLATFORMS, TOGETHER}:
        whole = Section(document, name, "")
        kinds = [kind for kind in whole.known(frozenset({*PLATFORMS, TOGETHER})) if kind != TOGETHER]
        together = read_together(whole) if TOGETHER in document else []
        return (*(read_platform(kind, whole.section(kind)) for kind in kinds), *together)
    return (_flat(Section(document, name, "")),)


def _flat(section: Section) -> SgxReferenceValues:
    """MarbleRun's own names and defaults (contract 2.3 and 3.1)."""
    fields = section.known(_FLAT_KEYS)
    enclave, signer = section.measurement("UniqueID", _SGX_BYTES), section.measurement("SignerID", _SGX_BYTES)
    product, version = section.number("ProductID"), section.number("SecurityVersion")
    if enclave is None and None in (signer, product, version):
        expected = f"{', '.join(PLATFORMS)}, UniqueID, or SignerID with ProductID and SecurityVersion"
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
