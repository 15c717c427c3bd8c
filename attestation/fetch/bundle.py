"""Evidence to a bundle of everything that its vendors' services say about it."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

from attestation.azure_vtpm.format import parse_evidence as parse_azure
from attestation.composite.format import parse_composite
from attestation.endorsements import encode_bundle, parse_bundle
from attestation.errors import EndorsementFormatError
from attestation.evidence import Evidence
from attestation.fetch import codes
from attestation.fetch.errors import FetchFailed
from attestation.fetch.http import Http, parse_base
from attestation.fetch.kds import fetch_sev_snp
from attestation.fetch.pcs import Platform, fetch_collateral, platform_of
from attestation.fetch.rim import fetch_rims
from attestation.kinds import Kind


def fetch_bundle(http: Http, evidences: Iterable[Evidence], url: str = "") -> bytes:
    """A bundle for all of these pieces of evidence; what two of them need is fetched once.

    url: of a cache that speaks the vendor's interface; empty for the vendors' own services.  Nothing that comes back
    is believed: whoever uses the bundle verifies it.
    Raises FetchFailed, EvidenceFormatError.
    """
    base = parse_base(url) if url else ""
    intel: dict[Platform, Mapping[str, str]] = {}
    amd: list[dict[str, str]] = []
    nvidia: list[dict[str, str]] = []
    for evidence in chain.from_iterable(map(_parts, evidences)):
        if evidence.kind in (Kind.SGX, Kind.TDX):
            platform = platform_of(evidence)
            if platform not in intel:
                intel[platform] = fetch_collateral(http, platform, base)
        elif evidence.kind is Kind.SEV_SNP:
            amd += _new(fetch_sev_snp(http, evidence, base).to_json(), amd)
        elif evidence.kind is Kind.NVIDIA_GPU:
            nvidia += _new(fetch_rims(http, evidence, base).to_json(), nvidia)
        else:
            raise FetchFailed(
                codes.NOTHING_TO_FETCH, f"{evidence.kind} evidence: {_NOTHING.get(evidence.kind, _OTHER)}"
            )
    sections = {Kind.SEV_SNP: tuple(amd), Kind.NVIDIA_GPU: tuple(nvidia)}
    bundle = encode_bundle(tuple(intel.values()), {kind: items for kind, items in sections.items() if items})
    try:
        parse_bundle(bundle)
    except EndorsementFormatError as error:
        raise FetchFailed(codes.CONTENT, f"what was fetched: {error}") from error
    return bundle


def _parts(evidence: Evidence) -> Iterator[Evidence]:
    """The hardware's own evidence: of each part of a collection, inside of a vTPM's, or as it is."""
    if evidence.kind is Kind.COMPOSITE:
        collection = parse_composite(evidence.raw)
        for part in (collection.cpu, *collection.devices):
            yield from _parts(part)
    elif evidence.kind is Kind.AZURE_VTPM:
        parts = parse_azure(evidence.raw)
        raw = parts.td_quote if parts.hcl.kind is Kind.TDX else parts.hcl.hardware_report + parts.certificate_table
        yield Evidence(parts.hcl.kind, raw)
    else:
        yield evidence


def _new(found: Iterable[dict[str, str]], known: list[dict[str, str]]) -> list[dict[str, str]]:
    return [item for item in found if item not in known]


_OTHER: Final = "this version knows no service for it"
_NOTHING: Final[Mapping[Kind, str]] = {
    Kind.NITRO: "its document carries its whole certificate chain, and AWS publishes no revocation list",
    Kind.CCA: "the key of a platform (CPAK) comes from the machine's maker, there is no common service",
}
