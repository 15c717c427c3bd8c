"""Collateral of Intel's machines, from Intel's Provisioning Certification Service or a cache of it (PCCS).

Source: Intel SGX and TDX Provisioning Certification Service API, version 4 (Get PCK CRL, Get TCB Info, Get Quoting
Enclave Identity); Intel SGX Data Center Attestation Primitives, PCCS design guide (/rootcacrl).
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from attestation.anchors import common_name
from attestation.chain import read_pem_chain
from attestation.dcap.format import (
    CertificationType,
    parse_quoting_enclave_part,
    parse_signature_part,
    parse_signed_part,
)
from attestation.dcap.pck import CA_NAMES, LEAF_NAME, parse_pck_platform
from attestation.errors import EndorsementFormatError, EvidenceFormatError
from attestation.evidence import Evidence
from attestation.fetch import codes
from attestation.fetch.errors import FetchFailed
from attestation.fetch.http import Answer, Http
from attestation.kinds import Kind
from attestation.sev_snp.certificate import load_crl

INTEL: Final = "https://api.trustedservices.intel.com"
INTEL_ROOT_CRL: Final = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
_DER_SEQUENCE: Final = b"\x30\x82"


@dataclass(frozen=True, slots=True)
class Platform:
    """What collateral is about.  fmspc: 12 hex digits.  ca: "processor" or "platform", who issued the certificate."""

    kind: Kind
    fmspc: str
    ca: str


def platform_of(evidence: Evidence) -> Platform:
    """The platform that a quote names in its PCK certificate, unverified.

    Raises FetchFailed if it carries no PCK certificate, EvidenceFormatError if it is malformed.
    """
    signed = parse_signed_part(evidence.raw, evidence.kind)
    part = parse_quoting_enclave_part(parse_signature_part(evidence.raw, signed).quoting_enclave)
    if part.certification_type != CertificationType.PCK_CHAIN:
        raise FetchFailed(
            codes.NOTHING_TO_FETCH,
            f"quote: expected a PCK certificate chain (certification data type 5), got type {part.certification_type}: "
            "it names its machine only by an encrypted PPID",
        )
    try:
        leaf = next((c for c in read_pem_chain(part.certification) if common_name(c.subject) == LEAF_NAME), None)
        if leaf is None:
            raise EndorsementFormatError(f"PCK certificate chain: expected '{LEAF_NAME}', got none")
        platform = parse_pck_platform(leaf)
    except EndorsementFormatError as error:
        raise EvidenceFormatError(str(error)) from error
    issuer = common_name(leaf.issuer)
    if issuer not in CA_NAMES:
        raise FetchFailed(
            codes.NOTHING_TO_FETCH, f"PCK certificate: expected {' or '.join(CA_NAMES)} as issuer, got '{issuer:.60}'"
        )
    return Platform(evidence.kind, platform.fmspc.hex(), "processor" if issuer == CA_NAMES[0] else "platform")


def fetch_collateral(http: Http, platform: Platform, base: str = "") -> Mapping[str, str]:
    """A QuoteCollateralV3 as our bundle holds it.  base: of a cache; empty for Intel's own service.

    Raises FetchFailed.
    """
    family = "tdx" if platform.kind is Kind.TDX else "sgx"
    service = f"{base or INTEL}/{{}}/certification/v4/"
    crl = http.get(service.format("sgx") + f"pckcrl?ca={platform.ca}&encoding=der")
    tcb = http.get(service.format(family) + f"tcb?fmspc={platform.fmspc}")
    identity = http.get(service.format(family) + "qe/identity")
    root_crl = http.get(service.format("sgx") + "rootcacrl" if base else INTEL_ROOT_CRL)
    tcb_info, tcb_info_signature = _signed_member(tcb, "tcbInfo")
    qe_identity, qe_identity_signature = _signed_member(identity, "enclaveIdentity")
    return {
        "pck_crl_issuer_chain": _chain(crl, "SGX-PCK-CRL-Issuer-Chain"),
        "root_ca_crl": _list(root_crl).hex(),
        "pck_crl": _list(crl).hex(),
        "tcb_info_issuer_chain": _chain(tcb, "TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"),
        "tcb_info": tcb_info,
        "tcb_info_signature": tcb_info_signature,
        "qe_identity_issuer_chain": _chain(identity, "SGX-Enclave-Identity-Issuer-Chain"),
        "qe_identity": qe_identity,
        "qe_identity_signature": qe_identity_signature,
    }


def _chain(answer: Answer, *headers: str) -> str:
    """The PEM chain in the first of these headers that is there; percent-encoded on the wire."""
    text = next((answer.headers[name.lower()] for name in headers if name.lower() in answer.headers), None)
    if text is None:
        raise FetchFailed(codes.CONTENT, f"{answer.url}: expected the header {headers[0]}, got none")
    chain = unquote(text)
    try:
        read_pem_chain(chain.encode())
    except (EndorsementFormatError, UnicodeEncodeError) as error:
        raise FetchFailed(codes.CONTENT, f"{answer.url}: header {headers[0]}: {error}") from error
    return chain


def _list(answer: Answer) -> bytes:
    """A revocation list in DER; a PCCS may give it in hex."""
    raw = answer.body
    if not raw.startswith(_DER_SEQUENCE):
        with suppress(ValueError):
            raw = bytes.fromhex(raw.decode("ascii").strip().strip('"'))
    try:
        load_crl(raw, answer.url)
    except EndorsementFormatError as error:
        raise FetchFailed(codes.CONTENT, f"{answer.url}: expected a revocation list in DER or hex") from error
    return raw


def _signed_member(answer: Answer, name: str) -> tuple[str, str]:
    """The exact text of a member of a JSON object, over which the signature beside it is, and the signature in hex."""
    try:
        text = answer.body.decode()
        document = json.loads(text)
        start = text.index("{", text.index(f'"{name}"'))
        member, end = json.JSONDecoder().raw_decode(text, start)
        signature = document["signature"]
        if member != document[name] or len(bytes.fromhex(signature)) != 64:
            raise ValueError("another document")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        expected = f"a JSON object with '{name}' and a 'signature' of 64 bytes in hex"
        raise FetchFailed(codes.CONTENT, f"{answer.url}: expected {expected}") from error
    return text[start:end], signature
