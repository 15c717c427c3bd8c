"""What a stand-in of Intel's and AMD's services hands out verifies real and simulated evidence, offline."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.anchors import TrustAnchors
from attestation.azure_vtpm.format import container_of_files
from attestation.binding import Unbound
from attestation.checks import Status
from attestation.composite.format import Parts, encode_composite
from attestation.endorsements import parse_bundle
from attestation.evidence import Evidence, recognise
from attestation.fetch import codes, kds, pcs
from attestation.fetch.bundle import fetch_bundle
from attestation.fetch.errors import FetchFailed
from attestation.fetch.http import Answer, Http
from attestation.kinds import Kind
from attestation.nvidia_gpu.format import evidence_of_files
from attestation.sev_snp.format import SigningKey, parse_evidence
from attestation.sev_snp.tcb import Product
from attestation.simulation.amd import Guest, SimulatedAmd, new_amd
from attestation.simulation.issue import QuotingEnclave, TrustDomain
from attestation.simulation.vendor import SimulatedVendor
from attestation.verify import Verifier
from tests.fakes.vendor_services import Service

VECTORS = Path(__file__).parents[2] / "vectors"
INTEL = ("tdx-01", "sgx-01", "sgx-02", "tdx-07", "sgx-07")
DATA = bytes(64)


def intel_case(name: str) -> tuple[Evidence, dict[str, str], datetime]:
    folder = next((VECTORS / "dcap").glob(f"{name}*"))
    facts = json.loads((folder / "case.json").read_text())
    evidence = recognise((folder / "quote.bin").read_bytes())
    return evidence, json.loads((folder / "collateral.json").read_text()), datetime.fromisoformat(facts["verify_at"])


def add(service: Service, evidence: Evidence, collateral: dict[str, str]) -> None:
    platform = pcs.platform_of(evidence)
    service.add_intel(collateral, family=platform.kind.value, fmspc=platform.fmspc, ca=platform.ca)


@pytest.mark.parametrize("name", INTEL)
def test_fetched_collateral_is_the_recorded_one_to_the_byte(service: Service, http: Http, name: str) -> None:
    evidence, collateral, at = intel_case(name)
    add(service, evidence, collateral)

    bundle = fetch_bundle(http, [evidence, evidence], service.url)

    recorded = parse_bundle(json.dumps(collateral).encode())
    assert recorded.dcap == parse_bundle(bundle).dcap
    assert 4 == len(service.asked), "each thing once"
    asked = len(service.asked)
    of_recorded = Verifier(TrustAnchors.genuine(), recorded).verify(evidence, Unbound(), now=at)
    assert of_recorded == Verifier(TrustAnchors.genuine(), parse_bundle(bundle)).verify(evidence, Unbound(), now=at)
    assert asked == len(service.asked), "verification asks nobody"


def test_without_a_cache_intels_own_addresses_are_asked() -> None:
    evidence, collateral, _ = intel_case("tdx-01")
    service = Service()
    add(service, evidence, collateral)
    asked: list[str] = []

    class Recorded(Http):
        def get(self, url: str) -> Answer:
            asked.append(url)
            path = "/sgx/certification/v4/rootcacrl" if url == pcs.INTEL_ROOT_CRL else url.removeprefix(pcs.INTEL)
            status, headers, body = service.reply(path)
            assert 200 == status
            return Answer(url, {name.lower(): value for name, value in headers.items()}, body)

    assert fetch_bundle(Recorded(), [evidence])
    platform = pcs.platform_of(evidence)
    assert {
        f"https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca={platform.ca}&encoding=der",
        f"https://api.trustedservices.intel.com/tdx/certification/v4/tcb?fmspc={platform.fmspc}",
        "https://api.trustedservices.intel.com/tdx/certification/v4/qe/identity",
        "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
    } == set(asked)


def test_several_machines_make_one_bundle(service: Service, http: Http, vendor: SimulatedVendor, now: datetime) -> None:
    real, collateral, _ = intel_case("sgx-01")
    add(service, real, collateral)
    simulated = QuotingEnclave(vendor.machine, Kind.TDX).quote_trust_domain(TrustDomain(b"\x33" * 48), DATA)
    add(service, simulated, vendor.collateral(Kind.TDX))

    endorsements = parse_bundle(fetch_bundle(http, [real, simulated], service.url))

    anchors = TrustAnchors.genuine().with_simulated(vendor.trust_pem)
    assert [Kind.SGX, Kind.TDX] == [collateral.kind for collateral in endorsements.dcap]
    verification = Verifier(anchors, endorsements).verify(simulated, Unbound(), now=now)
    assert verification.genuine


@pytest.mark.parametrize(
    ("page", "change", "sentence"),
    [
        ("tcb", lambda r: (200, {}, r[2]), "expected the header TCB-Info-Issuer-Chain"),
        ("tcb", lambda r: (200, {"TCB-Info-Issuer-Chain": "none"}, r[2]), "header TCB-Info-Issuer-Chain"),
        ("tcb", lambda r: (200, r[1], b"<html>"), "expected a JSON object with 'tcbInfo'"),
        ("tcb", lambda r: (200, r[1], b'{"tcbInfo":{},"signature":"00"}'), "a 'signature' of 64 bytes"),
        ("tcb", lambda r: (200, r[1], b'{"signature":"tcbInfo","tcbInfo":1}'), "expected a JSON object"),
        ("qe/identity", lambda r: (200, r[1], b"[]"), "expected a JSON object with 'enclaveIdentity'"),
        ("pckcrl", lambda r: (200, r[1], b"<html>"), "expected a revocation list in DER or hex"),
        ("rootcacrl", lambda r: (200, r[1], b"00ff"), "expected a revocation list in DER or hex"),
    ],
)
def test_a_page_that_is_none_of_the_interface_is_refused(
    service: Service, http: Http, page: str, change: Callable[..., tuple[int, dict[str, str], bytes]], sentence: str
) -> None:
    evidence, collateral, _ = intel_case("tdx-01")
    add(service, evidence, collateral)
    [path] = [path for path in service.pages if page in path.rpartition("v4/")[2].partition("?")[0]]
    service.pages[path] = change(service.pages[path])
    with pytest.raises(FetchFailed, match=sentence) as refused:
        fetch_bundle(http, [evidence], service.url)
    assert codes.CONTENT == refused.value.code


def test_a_platform_that_the_service_does_not_know_is_said(service: Service, http: Http) -> None:
    evidence, _, _ = intel_case("tdx-01")
    with pytest.raises(FetchFailed, match=r"pckcrl\?ca=platform&encoding=der: expected status 200, got 404"):
        fetch_bundle(http, [evidence], service.url)


def test_a_quote_without_certificates_says_why_nothing_can_be_fetched(http: Http) -> None:
    quote = next((VECTORS / "dcap").glob("sgx-08*")) / "quote.bin"
    with pytest.raises(FetchFailed, match="encrypted PPID") as refused:
        fetch_bundle(http, [recognise(quote.read_bytes())])
    assert codes.NOTHING_TO_FETCH == refused.value.code


@pytest.mark.parametrize("kind", [Kind.NITRO, Kind.CCA])
def test_other_platforms_say_where_their_endorsements_come_from(http: Http, kind: Kind) -> None:
    with pytest.raises(FetchFailed, match=f"{kind} evidence: ") as refused:
        fetch_bundle(http, [Evidence(kind, b"")])
    assert codes.NOTHING_TO_FETCH == refused.value.code


def test_the_parts_of_a_collection_are_asked_for(service: Service, http: Http) -> None:
    evidence, collateral, _ = intel_case("tdx-01")
    add(service, evidence, collateral)
    [folder] = (VECTORS / "nvidia_gpu").glob("01*")
    gpu = evidence_of_files({file.name: file.read_bytes() for file in folder.iterdir()})
    with pytest.raises(FetchFailed, match=r"NV_GPU_DRIVER_GH100_550\.90\.07: expected status 200, got 404"):
        fetch_bundle(http, [encode_composite(Parts(evidence, (gpu,)))], service.url)
    assert 5 == len(service.asked), "the processor's, and the first of the device's"


def test_the_report_inside_a_vtpms_evidence_is_asked_for(service: Service, http: Http) -> None:
    [folder] = (VECTORS / "azure_vtpm").glob("01*")
    evidence = recognise(container_of_files({file.name: file.read_bytes() for file in folder.iterdir()}))
    with pytest.raises(FetchFailed, match=r"/vcek/v1/Milan/[0-9a-f]{128}\?blSPL=.*got 404"):
        fetch_bundle(http, [evidence], service.url)


SNP = {
    "02-milan-v2": Product.MILAN,
    "05-milan-v3-gcp": Product.MILAN,
    "06-genoa-v5": Product.GENOA,
    "07-turin-v5": Product.TURIN,
}


@pytest.fixture(scope="module")
def amd(now: datetime) -> SimulatedAmd:
    return new_amd(now, Product.GENOA, key_bits=2048)


def add_amd(service: Service, evidence: Evidence, product: Product, leaf: bytes, chain: bytes, crl: bytes) -> None:
    report = parse_evidence(evidence.raw).report
    service.pages[kds.vcek_address(report, product, "")] = (200, {}, leaf)
    service.pages[f"/vcek/v1/{product}/cert_chain"] = (200, {}, chain)
    service.pages[f"/vcek/v1/{product}/crl"] = (200, {}, crl)


def pem(*folders: Path) -> bytes:
    from attestation.sev_snp.certificate import load_certificates

    found = [load_certificates(place.read_bytes(), place.name)[0] for place in folders]
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in found)


@pytest.mark.parametrize("name", SNP)
def test_a_real_report_is_verified_with_what_amds_service_hands_out(
    service: Service, http: Http, amd: SimulatedAmd, name: str
) -> None:
    folder = VECTORS / "sev_snp" / name
    facts = json.loads((folder / "case.json").read_text())
    evidence = Evidence(Kind.SEV_SNP, (folder / "report.bin").read_bytes())
    chain = pem(folder / "ask.der", folder / "ark.der")
    add_amd(service, evidence, SNP[name], (folder / "vcek.der").read_bytes(), chain, amd.crl())

    endorsements = parse_bundle(fetch_bundle(http, [evidence], service.url))

    verifier = Verifier(TrustAnchors.genuine(), endorsements)
    verification = verifier.verify(evidence, Unbound(), now=datetime.fromisoformat(facts["verify_at"]))
    assert verification.genuine


def test_the_address_of_a_chips_certificate_is_as_amd_documents_it() -> None:
    def address(name: str) -> str:
        return kds.vcek_address(
            parse_evidence((VECTORS / "sev_snp" / name / "report.bin").read_bytes()).report, SNP[name]
        )

    chip = json.loads((VECTORS / "sev_snp" / "05-milan-v3-gcp" / "case.json").read_text())["measurements"]["chip_id"]
    expected = f"https://kdsintf.amd.com/vcek/v1/Milan/{chip}?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"
    assert expected == address("05-milan-v3-gcp")
    turin = address("07-turin-v5")
    assert "/vcek/v1/Turin/" in turin
    assert 16 == len(turin.rpartition("/")[2].partition("?")[0]), "8 bytes"
    assert "?fmcSPL=" in turin


def test_an_old_report_does_not_name_its_product_so_both_are_asked(
    service: Service, http: Http, amd: SimulatedAmd, now: datetime
) -> None:
    evidence = amd.chip.report(Guest(bytes(48)), DATA, version=2)
    leaf = amd.chip.vcek.public_bytes(Encoding.DER)
    ask, _, ark = (certificate.public_bytes(Encoding.PEM) for certificate in amd.chip.issuers)
    add_amd(service, evidence, Product.GENOA, leaf, ask + ark, amd.crl())
    section = parse_bundle(fetch_bundle(http, [evidence], service.url)).sections[Kind.SEV_SNP]
    assert 4 == len(section)
    assert service.asked[0].startswith("/vcek/v1/Milan/")
    assert service.asked[1].startswith("/vcek/v1/Genoa/")


def test_a_leaf_that_the_evidence_carries_is_not_fetched(service: Service, http: Http, amd: SimulatedAmd) -> None:
    ask, asvk, ark = (certificate.public_bytes(Encoding.PEM) for certificate in amd.chip.issuers)
    for role, issuer in (("vcek", ask), ("vlek", asvk)):
        service.pages[f"/{role}/v1/Genoa/cert_chain"] = (200, {}, issuer + ark)
        service.pages[f"/{role}/v1/Genoa/crl"] = (200, {}, amd.crl())
    for key, role in ((SigningKey.VCEK, "vcek"), (SigningKey.VLEK, "vlek")):
        evidence = amd.chip.report(Guest(bytes(48)), DATA, version=3, signing_key=key, extended=True)
        service.asked.clear()
        fetch_bundle(http, [evidence], service.url)
        assert [f"/{role}/v1/Genoa/cert_chain", f"/{role}/v1/Genoa/crl"] == service.asked


def test_a_chip_that_hides_its_identity_cannot_be_asked_for(http: Http, amd: SimulatedAmd) -> None:
    evidence = amd.chip.report(Guest(bytes(48)), DATA, version=3, masked=True)
    with pytest.raises(FetchFailed, match="the host masks it") as refused:
        fetch_bundle(http, [evidence])
    assert codes.NOTHING_TO_FETCH == refused.value.code


def test_what_amds_service_does_not_hand_out_is_refused(service: Service, http: Http, amd: SimulatedAmd) -> None:
    evidence = amd.chip.report(Guest(bytes(48)), DATA, version=3)
    leaf = amd.chip.vcek.public_bytes(Encoding.DER)
    for broken in ((b"<html>", leaf, amd.crl()), (leaf, b"<html>", amd.crl()), (leaf, leaf, b"<html>")):
        add_amd(service, evidence, Product.GENOA, *broken)
        with pytest.raises(FetchFailed, match=r"(certificates|revocation list): expected") as refused:
            fetch_bundle(http, [evidence], service.url)
        assert codes.CONTENT == refused.value.code


def test_a_revoked_intermediate_in_a_fetched_list_is_seen(
    service: Service, http: Http, amd: SimulatedAmd, now: datetime
) -> None:
    evidence = amd.chip.report(Guest(bytes(48)), DATA, version=3)
    leaf = amd.chip.vcek.public_bytes(Encoding.DER)
    ask, _, ark = amd.chip.issuers
    chain = ask.public_bytes(Encoding.PEM) + ark.public_bytes(Encoding.PEM)
    outcomes = []
    for revoked in ((), (ask,)):
        add_amd(service, evidence, Product.GENOA, leaf, chain, amd.crl(revoked))
        endorsements = parse_bundle(fetch_bundle(http, [evidence], service.url))
        anchors = TrustAnchors.genuine().with_simulated(amd.trust_pem)
        verification = Verifier(anchors, endorsements).verify(evidence, Unbound(), now=now)
        outcomes.append([check.name for check in verification.checks if check.status is Status.FAILED])
    assert [] == outcomes[0]
    assert any("revo" in name or "crl" in name for name in outcomes[1])
