"""Certificates and revocation lists of AMD's machines, from AMD's Key Distribution Service or a cache of it.

Source: AMD VCEK certificate and KDS interface specification (57230), chapter 4.
"""

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.errors import EndorsementFormatError
from attestation.evidence import Evidence
from attestation.fetch import codes
from attestation.fetch.errors import FetchFailed
from attestation.fetch.http import Answer, Http
from attestation.sev_snp.certificate import load_certificates, load_crl
from attestation.sev_snp.endorsements import SevSnpEndorsements
from attestation.sev_snp.format import Report, SigningKey, TableEntry, parse_evidence, parse_table
from attestation.sev_snp.tcb import Product, components, product_of_cpuid

AMD: Final = "https://kdsintf.amd.com"
_SPL: Final = {"fmc": "fmcSPL", "bootloader": "blSPL", "tee": "teeSPL", "snp": "snpSPL", "microcode": "ucodeSPL"}
_TURIN_HWID_BYTES: Final = 8


def fetch_sev_snp(http: Http, evidence: Evidence, base: str = "") -> SevSnpEndorsements:
    """The leaf certificate of a report's chip and TCB, its chain, and the product's revocation list.

    A leaf that the evidence carries is not fetched, nor a VLEK, which AMD gives to cloud providers only.
    base: of a cache; empty for AMD's own service.
    Raises FetchFailed, EvidenceFormatError.
    """
    found = parse_evidence(evidence.raw)
    carried = {guid for guid, _ in parse_table(found.table)} if found.table else set()
    service = base or AMD
    if found.report.signing_key is SigningKey.VLEK or TableEntry.VCEK in carried:
        role = "vlek" if found.report.signing_key is SigningKey.VLEK else "vcek"
        endorsements = SevSnpEndorsements.none()
        for product in _products(found.report):
            endorsements = endorsements.and_those(_chain_and_list(http, f"{service}/{role}/v1/{product}"))
        return endorsements
    product, leaf = _fetch_vcek(http, found.report, service)
    endorsements = SevSnpEndorsements((leaf.public_bytes(Encoding.DER),))
    return endorsements.and_those(_chain_and_list(http, f"{service}/vcek/v1/{product}"))


def vcek_address(report: Report, product: Product, base: str = AMD) -> str:
    """Where the VCEK of a report's chip and reported TCB is.  Raises FetchFailed if the chip hides its identity."""
    chip = report.chip_id[:_TURIN_HWID_BYTES] if product is Product.TURIN else report.chip_id
    if not any(chip):
        raise FetchFailed(
            codes.NOTHING_TO_FETCH,
            "report: expected a chip id, got zeros: the host masks it, and must hand out the certificate itself",
        )
    levels = components(report.reported_tcb, product)
    query = "&".join(f"{_SPL[name]}={level}" for name, level in levels.items())
    return f"{base}/vcek/v1/{product}/{chip.hex()}?{query}"


def _fetch_vcek(http: Http, report: Report, service: str) -> tuple[Product, x509.Certificate]:
    """Reports before version 3 do not name the product: each that they can be of is asked for."""
    products = _products(report)
    for product in products:
        try:
            answer = http.get(vcek_address(report, product, service))
        except FetchFailed as error:
            if error.status == 404 and product is not products[-1]:
                continue
            raise
        return product, _certificates(answer)[0]
    raise AssertionError("there is a last product")


def _products(report: Report) -> Sequence[Product]:
    if report.cpuid is None:
        return (Product.MILAN, Product.GENOA)
    product = product_of_cpuid(*report.cpuid[:2])
    if product is None:
        family, model, _ = report.cpuid
        raise FetchFailed(
            codes.NOTHING_TO_FETCH,
            f"report: expected a CPU of {', '.join(Product)}, got family {family:#x}, model {model:#x}",
        )
    return (product,)


def _chain_and_list(http: Http, place: str) -> SevSnpEndorsements:
    chain = _certificates(http.get(f"{place}/cert_chain"))
    answer = http.get(f"{place}/crl")
    try:
        crl = load_crl(answer.body, "revocation list").public_bytes(Encoding.DER)
    except EndorsementFormatError as error:
        raise FetchFailed(codes.CONTENT, f"{answer.url}: {error}") from error
    return SevSnpEndorsements(tuple(c.public_bytes(Encoding.DER) for c in chain), (crl,))


def _certificates(answer: Answer) -> Sequence[x509.Certificate]:
    try:
        return load_certificates(answer.body, "certificates")
    except EndorsementFormatError as error:
        raise FetchFailed(codes.CONTENT, f"{answer.url}: {error}") from error
