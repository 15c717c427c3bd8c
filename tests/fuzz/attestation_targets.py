"""Ways into `attestation/`: evidence, endorsements, tokens, and what they are wrapped in."""

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509

from attestation import cbor, cose
from attestation.anchors import TrustAnchors
from attestation.appraisal import DefaultPolicy, judge
from attestation.azure_vtpm.format import container_of_files, parse_evidence, parse_hcl_report, parse_runtime_data
from attestation.azure_vtpm.tpm import parse_quote
from attestation.binding import Unbound
from attestation.cca.endorsements import CcaEndorsements
from attestation.cca.format import parse_token as parse_cca_token
from attestation.certificate import evidence_of
from attestation.checks import Status
from attestation.cmw import read_record
from attestation.composite.format import Parts, encode_composite, parse_composite
from attestation.dcap.format import parse_quoting_enclave_part, parse_signature_part, parse_signed_part
from attestation.dcap.pck import parse_pck_platform
from attestation.dcap.tcb_documents import parse_qe_identity, parse_tcb_info
from attestation.ear import parse_ear
from attestation.endorsements import Endorsements, parse_bundle
from attestation.errors import EndorsementFormatError, EvidenceFormatError
from attestation.evidence import Evidence, recognise
from attestation.freshness import parts_of
from attestation.init_data import InitDataInvalid, from_annotation, make_init_data, parse_init_data, to_annotation
from attestation.jws import parse_keys, parse_token
from attestation.kinds import Kind
from attestation.nitro.format import parse_document
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.format import evidence_of_files, parse_container, parse_measurements
from attestation.nvidia_gpu.nras import parse_detached
from attestation.nvidia_gpu.ocsp import read_answers
from attestation.nvidia_gpu.rim import parse_rim, verify_rim
from attestation.sev_snp.certificate import load_certificates, load_crl, parse_platform
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.format import parse_evidence as parse_snp
from attestation.sgx.sigstruct import parse_sigstruct
from attestation.tdx.event_log import parse_event_log, replay
from attestation.tdx.format import parse_body
from attestation.verify import Verifier
from marble.bootstrap import entry, read_bootstrap
from pki.oids import CMW
from tests.fuzz.target import VECTORS, Target, vectors

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_GENUINE = TrustAnchors.genuine()
_VERIFIER = Verifier(_GENUINE, Endorsements.none())
_EVIDENCE, _ENDORSEMENT = (EvidenceFormatError,), (EndorsementFormatError,)


def _verify(raw: bytes) -> None:
    """Every kind, from the first byte to the words of the verdict."""
    verification = _VERIFIER.verify(recognise(raw), Unbound(), now=_NOW)
    verdict = judge(verification, DefaultPolicy())
    json.dumps(verdict.as_json())
    assert all(check.code and check.hint for check in verdict.checks if check.status is not Status.PASSED)
    assert not (verification.genuine and verification.simulated)


def _quote(raw: bytes) -> None:
    for kind in (Kind.SGX, Kind.TDX):
        try:
            signed = parse_signed_part(raw, kind)
            part = parse_quoting_enclave_part(parse_signature_part(raw, signed).quoting_enclave)
        except EvidenceFormatError:
            continue
        assert signed.signed == raw[: len(signed.signed)]
        assert 64 == len(part.attestation_key)
        if kind is Kind.TDX:
            parse_body(signed.body)


def _event_log(raw: bytes) -> None:
    for number, value in replay(parse_event_log(raw)).items():
        assert (True, 48) == (0 <= number < 4, len(value))


def _init_data(raw: bytes) -> None:
    """A document or an annotation; what it tells a marble; and the same texts written by us."""
    init_data = from_annotation(raw.decode("latin-1")) if raw.startswith(b"H4sI") else parse_init_data(raw)
    read_bootstrap(init_data)
    again = make_init_data(init_data.data, init_data.algorithm)
    assert (init_data.data, init_data.algorithm) == (again.data, again.algorithm)


def _init_data_seeds() -> Iterable[bytes]:
    told = make_init_data({**entry("coordinator:2001", "web"), "policy.rego": "package agent_policy\n", "a b": "x"})
    yield told.document
    yield to_annotation(told).encode()
    yield b'algorithm = "sha384"\nversion = "0.1.0"\n\n[data]\n"aa.toml" = """\n[kbs]\n"""\n'


def _bundle(raw: bytes) -> None:
    endorsements = parse_bundle(raw)
    for part in parts_of(endorsements):
        part.sentence(_NOW)
    Verifier(_GENUINE, endorsements)


def _pck(raw: bytes) -> None:
    for certificate in load_certificates(raw, "certificate"):
        parse_pck_platform(certificate)


def _amd(raw: bytes) -> None:
    for certificate in load_certificates(raw, "certificate"):
        parse_platform(certificate)


def _cpak(raw: bytes) -> None:
    CcaEndorsements.from_files({"cpak.jwk.json": raw})


def _rim(raw: bytes) -> None:
    verify_rim(raw, _GENUINE.anchors)
    parse_rim(raw)


def _wrapped(raw: bytes) -> None:
    """Evidence inside a certificate: the extension's bytes are the input."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])

    class Carrier:
        subject = issuer = name
        extensions = x509.Extensions([x509.Extension(CMW, False, x509.UnrecognizedExtension(CMW, raw))])

    evidence_of(Carrier())  # type: ignore[arg-type]


def _record(raw: bytes) -> None:
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError):
        return
    read_record(record)


def _cbor(raw: bytes) -> None:
    """Whatever is read is written again as it was read."""
    value = cbor.decode(raw, "input", tags=frozenset({18, 399}), indefinite=True)
    try:
        strict = cbor.decode(raw, "input", tags=frozenset({18, 399}))
    except EvidenceFormatError:
        return
    assert strict == value
    assert cbor.decode(cbor.encode(strict), "again", tags=frozenset({18, 399})) == strict


def _cose(raw: bytes) -> None:
    for tagged in (True, False):
        try:
            cose.parse_sign1(raw, "input", tagged=tagged)
        except EvidenceFormatError:
            continue


def _token(raw: bytes) -> None:
    parse_ear(parse_token(raw.decode("utf-8", "surrogateescape")))


def _azure_files() -> Iterable[bytes]:
    for folder in sorted((VECTORS / "azure_vtpm").glob("*-*")):
        yield container_of_files({path.name: path.read_bytes() for path in folder.iterdir()})


def _gpu_files() -> Iterable[bytes]:
    for folder in sorted((VECTORS / "nvidia_gpu").glob("*-*")):
        yield evidence_of_files({path.name: path.read_bytes() for path in folder.iterdir()}).raw


def _evidence_of_all_kinds() -> Iterable[bytes]:
    for pattern in ("dcap/*/quote.bin", "sev_snp/*/report.bin", "nitro/*/document.cbor", "cca/*/token.cbor"):
        yield from vectors(pattern)()
    yield from _azure_files()
    yield from _gpu_files()
    yield from vectors("ear/*/token.json")()


def _documents(name: str) -> Iterable[bytes]:
    for raw in vectors("dcap/*/collateral.json")():
        yield json.loads(raw)[name].encode()


def _revocation_lists() -> Iterable[bytes]:
    for raw in vectors("dcap/*/collateral.json")():
        yield bytes.fromhex(json.loads(raw)["pck_crl"])


def _pck_chains() -> Iterable[bytes]:
    for raw in vectors("dcap/*/quote.bin")():
        start = raw.find(b"-----BEGIN")
        if start > 0:
            yield raw[start:].rstrip(b"\0")


def _composites() -> Iterable[bytes]:
    quote = next(iter(vectors("dcap/tdx-01*/quote.bin")()))
    gpu = next(iter(_gpu_files()))
    yield encode_composite(Parts(Evidence(Kind.TDX, quote), (Evidence(Kind.NVIDIA_GPU, gpu),))).raw


def _records() -> Iterable[bytes]:
    quote = next(iter(vectors("dcap/tdx-01*/quote.bin")()))
    value = base64.urlsafe_b64encode(quote).rstrip(b"=").decode()
    yield json.dumps(["application/vnd.intel.tdx.quote", value, 4]).encode()
    yield b'["a", "b", 4]'


TARGETS = (
    Target("evidence", _verify, _EVIDENCE, _evidence_of_all_kinds),
    Target("quote", _quote, _EVIDENCE, vectors("dcap/*/quote.bin")),
    Target("event-log", _event_log, _EVIDENCE, vectors("dcap/*/ccel_data.dat")),
    Target("init-data", _init_data, (InitDataInvalid,), _init_data_seeds),
    Target("sigstruct", parse_sigstruct, _EVIDENCE),
    Target("tcb-info", parse_tcb_info, _ENDORSEMENT, lambda: _documents("tcb_info")),
    Target("qe-identity", parse_qe_identity, _ENDORSEMENT, lambda: _documents("qe_identity")),
    Target("collateral", _bundle, _ENDORSEMENT, vectors("dcap/*/collateral.json")),
    Target("pck", _pck, _ENDORSEMENT, _pck_chains),
    Target("snp-report", parse_snp, _EVIDENCE, vectors("sev_snp/*/report.bin")),
    Target("amd-certificate", _amd, _ENDORSEMENT, vectors("sev_snp/*/*.der")),
    Target("crl", lambda raw: load_crl(raw, "CRL"), _ENDORSEMENT, _revocation_lists),
    Target("snp-endorsements", lambda raw: SevSnpEndorsements.from_json(_json(raw)), _ENDORSEMENT),
    Target("nitro-document", parse_document, _EVIDENCE, vectors("nitro/*/document.cbor")),
    Target("cca-token", parse_cca_token, _EVIDENCE, vectors("cca/*/token.cbor")),
    Target("cpak", _cpak, _ENDORSEMENT, vectors("cca/*/*.json")),
    Target("gpu-container", parse_container, _EVIDENCE, _gpu_files),
    Target("gpu-measurements", parse_measurements, _EVIDENCE, vectors("nvidia_gpu/*/evidence.bin")),
    Target("gpu-rim", _rim, _ENDORSEMENT, vectors("nvidia_gpu/*/*_rim.xml")),
    Target("gpu-ocsp", lambda raw: read_answers([raw]), _ENDORSEMENT, vectors("nvidia_gpu/*/*ocsp*")),
    Target("gpu-endorsements", lambda raw: NvidiaGpuEndorsements.from_json(_json(raw)), _ENDORSEMENT),
    Target("gpu-service", parse_detached, _EVIDENCE, vectors("ear/*/token.json")),
    Target("azure-evidence", parse_evidence, _EVIDENCE, _azure_files),
    Target("azure-hcl", parse_hcl_report, _EVIDENCE, vectors("azure_vtpm/*/hcl_report.bin")),
    Target("azure-runtime-data", parse_runtime_data, _EVIDENCE, vectors("azure_vtpm/*/runtime_data.json")),
    Target("tpm-quote", parse_quote, _EVIDENCE, vectors("azure_vtpm/*/tpm_quote.msg")),
    Target("composite", parse_composite, _EVIDENCE, _composites),
    Target("cbor", _cbor, _EVIDENCE, vectors("nitro/*/document.cbor")),
    Target("cose", _cose, _EVIDENCE, vectors("nitro/*/document.cbor")),
    Target("token", _token, _EVIDENCE, vectors("ear/*/token.jwt")),
    Target("keys", parse_keys, _ENDORSEMENT, vectors("ear/*/*.jwk.json")),
    Target("cmw", _record, _EVIDENCE, _records),
    Target("certificate-evidence", _wrapped, _EVIDENCE, _records),
)


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise EndorsementFormatError("no JSON") from error
