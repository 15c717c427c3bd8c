"""Evidence that is refused for one reason each, made with keys of simulated vendors: what a vendor's own insider could.

The faults of `simulate vendor issue` are among them; the others need another certificate or signed document.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.anchors import TrustAnchors
from attestation.azure_vtpm.format import container_of_files
from attestation.binding import Asked, Bound, Nonced
from attestation.cbor import encode
from attestation.composite.format import Parts, encode_composite
from attestation.cose import sign as sign_cose
from attestation.dcap.signature import sign
from attestation.endorsements import Endorsements, encode_bundle, parse_bundle
from attestation.evidence import Evidence, recognise
from attestation.kinds import Kind
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.format import evidence_of_files
from attestation.simulation import nvidia_issue
from attestation.simulation.aws import aws_name, issue_certificate
from attestation.simulation.intel_pki import (
    PLATFORM_CA,
    ROOT_CA,
    TCB_SIGNING,
    certificate,
    new_key,
    pem,
    revocation_list,
)
from attestation.simulation.issue import QuotingEnclave
from attestation.simulation.measure import ProgramMeasurement
from attestation.simulation.nvidia import new_nvidia
from attestation.simulation.samples import amd, aws, azure, composite, intel, nvidia
from attestation.simulation.samples.draft import Order, Written
from attestation.simulation.samples.faults import faults_of
from attestation.simulation.samples.issue import issue_sample
from attestation.simulation.vendor import VALIDITY, SimulatedVendor, new_vendor
from attestation.verification import Verification
from attestation.verify import Verifier

DATA = b"\x0f" * 64
PROGRAM = ProgramMeasurement(b"\x01" * 48)
EXPIRED = timedelta(hours=-1)


@dataclass(frozen=True)
class Case:
    """Evidence and what it is verified with."""

    label: str
    evidence: Evidence
    endorsements: Endorsements
    anchors: TrustAnchors
    now: datetime
    binding: Asked = field(default=Bound(DATA, "the order's"))

    def verify(self) -> Verification:
        """By a verifier that knows nothing yet."""
        return Verifier(self.anchors, self.endorsements).verify(self.evidence, self.binding, now=self.now)


@dataclass(frozen=True)
class Bench:
    """A folder of simulated vendors, and the time at which all cases are verified: an hour after they were made."""

    folder: Path
    now: datetime

    @property
    def anchors(self) -> TrustAnchors:
        """All of the folder's vendors."""
        return TrustAnchors(()).with_simulated((self.folder / "trust.pem").read_bytes())

    @property
    def order(self) -> Order:
        """The same program for all."""
        return Order(PROGRAM, DATA, self.now, b"nonce")

    def case(self, label: str, kind: Kind, files: Mapping[str, bytes], **more: Any) -> Case:
        """A case of a sample's files."""
        collateral = files.get("collateral.json")
        endorsements = parse_bundle(collateral) if collateral else Endorsements.none()
        given = {"anchors": self.anchors, "now": self.now, **more}
        return Case(f"{kind} {label}", _evidence(kind, files), endorsements, **given)

    def written(self, label: str, kind: Kind, written: Written, **more: Any) -> Case:
        """A case of a draft's parts."""
        bundle = encode_bundle(written.dcap, written.sections)
        return self.case(label, kind, {**written.evidence, "collateral.json": bundle}, **more)


def good(bench: Bench) -> Iterator[Case]:
    """One of every kind, to which nothing can be objected."""
    for kind in Kind:
        yield bench.case("good", kind, issue_sample(bench.folder, kind, bench.order))
    yield bench.case("good nonce", Kind.NITRO, issue_sample(bench.folder, Kind.NITRO, bench.order), binding=_NONCED)
    yield bench.written("good v5", Kind.TDX, _quote_5(bench, _intel(bench)))


def refused(bench: Bench) -> Iterator[Case]:
    """All that are refused."""
    for kind in Kind:
        for name in faults_of(kind):
            binding = {"binding": _NONCED} if name == "nonce" else {}
            files = issue_sample(bench.folder, kind, bench.order, [name])
            yield bench.case(name, kind, files, **binding)
    for more in (_quotes, _collaterals, _documents, _mixed, _reports, _nitro, _gpus, _others):
        yield from more(bench)


def _evidence(kind: Kind, files: Mapping[str, bytes]) -> Evidence:
    if kind is Kind.NVIDIA_GPU:
        return evidence_of_files(files)
    if kind is Kind.AZURE_VTPM:
        return recognise(container_of_files(files))
    names = {Kind.SEV_SNP: "report.bin", Kind.NITRO: "document.cbor", Kind.CCA: "token.cbor"}
    return Evidence(kind, files["composite.json" if kind is Kind.COMPOSITE else names.get(kind, "quote.bin")])


def reissue(
    old: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    *,
    without: Sequence[x509.ObjectIdentifier] = (),
    common_name: str = "",
    issuer: x509.Name | None = None,
) -> x509.Certificate:
    """A certificate anew, less some extensions, under another name, or by another issuer."""
    subject = old.subject
    if common_name:
        others = [a for a in old.subject if a.oid != x509.NameOID.COMMON_NAME]
        subject = x509.Name([*others, x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    key: Any = old.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or old.issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for extension in old.extensions:
        if extension.oid not in without:
            builder = builder.add_extension(extension.value, extension.critical)
    if isinstance(issuer_key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
        return builder.sign(issuer_key, hashes.SHA384(), rsa_padding=pss)
    return builder.sign(issuer_key, hashes.SHA256() if issuer_key.key_size == 256 else hashes.SHA384())


# Intel


def _intel(bench: Bench, kind: Kind = Kind.TDX) -> intel.IntelDraft:
    return intel.start(bench.folder, kind, bench.order)


def _quotes(bench: Bench) -> Iterator[Case]:
    """Other certificates of a machine, and other quoting enclaves."""
    draft = _intel(bench)
    vendor, [leaf, *above] = draft.vendor, x509.load_pem_x509_certificates(draft.machine.chain_pem)
    extension = x509.ObjectIdentifier("1.2.840.113741.1.13.1")
    for label, other in (
        ("role", reissue(leaf, vendor.platform_ca_key, common_name="Intel SGX Something")),
        ("extension", reissue(leaf, vendor.platform_ca_key, without=[extension])),
    ):
        yield bench.written(label, Kind.TDX, _with_chain(draft, pem(other, *above)).write())
    for label, offset, content in (
        ("other product", 256, b"\x63\0"),
        ("miscselect", 16, b"\1\0\0\0"),
        ("attributes", 48, b"\x31"),
        ("other report", 320, b"\x63" * 32),
    ):
        yield bench.written(f"QE {label}", Kind.TDX, replace(draft, written_over=(offset, content)).write())
    yield bench.written("cut off", Kind.TDX, Written({"quote.bin": draft.quote()[:700]}))
    yield bench.written("broken chain", Kind.TDX, _with_chain(draft, pem(leaf, vendor.root)).write())


def _with_chain(draft: intel.IntelDraft, chain: bytes) -> intel.IntelDraft:
    return replace(draft, machine=replace(draft.machine, chain_pem=chain))


def _quote_5(bench: Bench, draft: intel.IntelDraft, **module: bytes) -> Written:
    quoting = QuotingEnclave(draft.machine, Kind.TDX)
    raw = quoting.quote_trust_domain(draft.domain, DATA, 5, **module).raw
    return replace(draft.write(), evidence={"quote.bin": raw})


def _collaterals(bench: Bench) -> Iterator[Case]:
    """Lists and chains, each other in one thing."""
    draft = _intel(bench)
    vendor, other, stranger = draft.vendor, new_key(), new_vendor(draft.vendor.made_at)
    began, ends = vendor.made_at - timedelta(days=1), vendor.made_at + VALIDITY
    old = vendor.made_at + EXPIRED
    again = _ca(vendor, VALIDITY)
    signer, signer_key = _signer(vendor, VALIDITY)
    revoking = revocation_list(
        vendor.root.subject, vendor.root_key, began, ends, [again.serial_number, signer.serial_number]
    ).hex()
    chain, bad_chain = pem(again, vendor.root).decode(), "no chain"

    def signed_by(certificate_: x509.Certificate, name: str, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
        body = draft.vendor.collateral(Kind.TDX)[name]
        signers = pem(certificate_, vendor.root).decode()
        return {f"{name}_issuer_chain": signers, f"{name}_signature": sign(key, body.encode()).hex(), name: body}

    expired, expired_key = _signer(vendor, EXPIRED)
    nobody = certificate("Intel SGX Nobody", other, ROOT_CA, vendor.root_key, vendor.made_at, VALIDITY)
    root_name, ca_name = vendor.root.subject, vendor.platform_ca.subject
    changes: dict[str, dict[str, str]] = {
        "root CRL of another": {"root_ca_crl": revocation_list(root_name, other, began, ends, []).hex()},
        "root CRL old": {"root_ca_crl": revocation_list(root_name, vendor.root_key, began, old, []).hex()},
        "root CRL unreadable": {"root_ca_crl": "00"},
        "PCK CRL of another": {"pck_crl": revocation_list(ca_name, other, began, ends, []).hex()},
        "PCK CRL old": {"pck_crl": revocation_list(ca_name, vendor.platform_ca_key, began, old, []).hex()},
        "PCK CRL unreadable": {"pck_crl": "00"},
        "PCK CRL issuer unreadable": {"pck_crl_issuer_chain": bad_chain},
        "PCK CRL issuer revoked": {"pck_crl_issuer_chain": chain, "root_ca_crl": revoking},
        "PCK CRL issuer old": {"pck_crl_issuer_chain": pem(_ca(vendor, EXPIRED), vendor.root).decode()},
        "PCK CRL issuer of another": {
            "pck_crl_issuer_chain": pem(stranger.platform_ca, stranger.root).decode(),
            "pck_crl": stranger.collateral(Kind.TDX)["pck_crl"],
        },
    }
    for name in ("tcb_info", "qe_identity"):
        changes |= {
            f"{name} unsigned": {f"{name}_signature": "00" * 64},
            f"{name} signer unreadable": {f"{name}_issuer_chain": bad_chain},
            f"{name} signer revoked": {**signed_by(signer, name, signer_key), "root_ca_crl": revoking},
            f"{name} signer old": signed_by(expired, name, expired_key),
            f"{name} signer without the role": signed_by(nobody, name, other),
            f"{name} of another vendor": {
                key: stranger.collateral(Kind.TDX)[key] for key in (name, f"{name}_signature", f"{name}_issuer_chain")
            },
        }
    for label, change in changes.items():
        collateral = {**vendor.collateral(Kind.TDX), **change}
        yield bench.written(label, Kind.TDX, replace(draft.write(), dcap=(collateral,)))


def _ca(vendor: SimulatedVendor, validity: timedelta) -> x509.Certificate:
    """Another certificate of the CA that issues PCK certificates, with the same key."""
    return certificate(
        PLATFORM_CA, vendor.platform_ca_key, ROOT_CA, vendor.root_key, vendor.made_at, validity, path_length=0
    )


def _signer(vendor: SimulatedVendor, validity: timedelta) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = new_key()
    return certificate(TCB_SIGNING, key, ROOT_CA, vendor.root_key, vendor.made_at, validity), key


def _documents(bench: Bench) -> Iterator[Case]:
    """TCB info and QE identity that say something else, well signed."""
    draft = _intel(bench)
    old = f"{draft.vendor.made_at + EXPIRED:%Y-%m-%dT%H:%M:%SZ}"
    signer = {"mrsigner": "11" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
    level = {"tcb": {"isvsvn": 1}, "tcbDate": "2026-01-01T00:00:00Z", "tcbStatus": "UpToDate"}
    for label, name, change in (
        ("TCB info old", "tcb_info", {"nextUpdate": old}),
        ("TCB info unreadable", "tcb_info", {"version": 9}),
        ("TCB info of another platform", "tcb_info", {"pceId": "0009"}),
        (
            "TDX module of another",
            "tcb_info",
            {"tdxModuleIdentities": [{"id": "TDX_01", **signer, "tcbLevels": [level]}]},
        ),
        ("QE identity old", "qe_identity", {"nextUpdate": old}),
        ("QE identity unreadable", "qe_identity", {"version": 9}),
        ("QE identity of SGX", "qe_identity", {"id": "QE"}),
    ):
        yield bench.written(label, Kind.TDX, _resigned(draft, name, change))
    mask = {"attributesMask": "F9FFFFFFFFFFFFFF" + "00" * 8}
    debug = replace(draft, written_over=(48, b"\x13"))
    yield bench.written("QE debug", Kind.TDX, _resigned(debug, "qe_identity", mask))
    zeros = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
    nine = {"tdxModuleIdentities": [{"id": "TDX_09", **zeros, "tcbLevels": [level]}]}
    loaded = bytes([5, 9, 2]) + bytes(13)
    written = replace(_resigned(draft, "tcb_info", nine), evidence=_quote_5(bench, draft, module=loaded).evidence)
    yield bench.written("TDX module of now", Kind.TDX, written)


def _resigned(draft: intel.IntelDraft, name: str, change: Mapping[str, Any]) -> Written:
    collateral = draft.vendor.collateral(Kind.TDX)
    body = json.dumps(json.loads(collateral[name]) | change, separators=(",", ":"))
    signature = sign(draft.vendor.tcb_key, body.encode()).hex()
    return replace(draft.write(), dcap=({**collateral, name: body, f"{name}_signature": signature},))


def _mixed(bench: Bench) -> Iterator[Case]:
    """Quote and collateral of two vendors, both of whom are trusted."""
    draft, second = _intel(bench), new_vendor(bench.now)
    both = bench.anchors.with_simulated(second.trust_pem)
    own, other = draft.vendor.collateral(Kind.TDX), second.collateral(Kind.TDX)
    written = draft.write()
    yield bench.written("collateral of another", Kind.TDX, replace(written, dcap=(other,)), anchors=both)
    half = {name: (other if name.startswith("qe_") else own)[name] for name in own}
    yield bench.written("collateral of two", Kind.TDX, replace(written, dcap=(half,)), anchors=both)


# The others


def _reports(bench: Bench) -> Iterator[Case]:
    """SEV-SNP."""
    draft = amd.start(bench.folder, bench.order)
    for label, place, content in (
        ("version 1", 0, b"\1"),
        ("algorithm", 0x34, b"\2"),
        ("product", 0x188, b"\x1a\x02\x01"),
        ("TCB order", 0x1E0, bytes(8)),
    ):
        yield bench.written(label, Kind.SEV_SNP, replace(draft, written_over=(place, content)).write())
    yield bench.written(
        "cut off", Kind.SEV_SNP, Written({"report.bin": draft.report()[:1000]}, sections=draft.sections())
    )
    vendor, leaf = draft.vendor, draft.chip.vcek
    for label, other in (
        ("role", reissue(leaf, vendor.asvk_key, issuer=vendor.asvk.subject)),
        ("extensions", reissue(leaf, vendor.ask_key, without=[x509.ObjectIdentifier("1.3.6.1.4.1.3704.1.2")])),
    ):
        yield bench.written(label, Kind.SEV_SNP, replace(draft, chip=replace(draft.chip, vcek=other)).write())


def _nitro(bench: Bench) -> Iterator[Case]:
    """Documents by other certificates, and of another time."""
    draft = aws.start(bench.folder, bench.order)
    vendor, payload = draft.vendor, cbor2.loads(cbor2.loads(draft.write().evidence["document.cbor"])[2])
    key = ec.generate_private_key(ec.SECP384R1())
    began, ends = bench.now - timedelta(seconds=3), bench.now + timedelta(hours=1)
    authority = issue_certificate(aws_name("enclave"), key, vendor.authorities[-1], began, ends, is_ca=True)
    signed = sign_cose(key, encode({**payload, "certificate": authority.public_bytes(Encoding.DER)}), tagged=False)
    yield bench.written("leaf", Kind.NITRO, Written({"document.cbor": signed}))
    later = replace(draft, now=bench.now + timedelta(minutes=30))
    yield bench.written("of later", Kind.NITRO, later.write())
    yield bench.written("cut off", Kind.NITRO, Written({"document.cbor": draft.write().evidence["document.cbor"][:-9]}))


def _gpus(bench: Bench) -> Iterator[Case]:
    """Devices and RIMs."""
    draft = nvidia.start(bench.folder, bench.order)
    files = dict(draft.write().evidence)
    yield bench.written("cut off", Kind.NVIDIA_GPU, Written({**files, "evidence.bin": files["evidence.bin"][:-1]}))
    leaf, brom, *above = draft.gpu.chain
    unnamed = reissue(leaf.certificate, brom.key, without=[x509.SubjectAlternativeName.oid])
    nameless = replace(draft, gpu=replace(draft.gpu, chain=(replace(leaf, certificate=unnamed), brom, *above)))
    yield bench.written("role", Kind.NVIDIA_GPU, nameless.write())
    signer, vendor = draft.signer, draft.vendor
    driver, vbios = (nvidia_issue.driver_rim, draft.booted.driver), (nvidia_issue.vbios_rim, draft.booted.vbios_version)
    old, other = vendor.new_rim_signer(ends=vendor.made_at + EXPIRED), vendor.gpu.chain[1:]
    good_driver, good_vbios = driver[0](signer, driver[1]), vbios[0](signer, vbios[1])
    altered = (b'revision="r1"', b'revision="r2"')
    for label, rims in (
        ("driver RIM by a device", (driver[0](other, driver[1]), good_vbios)),
        ("driver RIM old", (driver[0](old, driver[1]), good_vbios)),
        ("VBIOS RIM altered", (good_driver, good_vbios.replace(*altered))),
        ("VBIOS RIM by a device", (good_driver, vbios[0](other, vbios[1]))),
        ("VBIOS RIM old", (good_driver, vbios[0](old, vbios[1]))),
        ("no driver RIM", (good_vbios,)),
        ("no VBIOS RIM", (good_driver,)),
    ):
        yield bench.written(label, Kind.NVIDIA_GPU, replace(draft.write(), sections=_rims(rims)))
    stranger = replace(draft, gpu=new_nvidia(vendor.made_at).gpu)
    yield bench.written("of another vendor", Kind.NVIDIA_GPU, stranger.write())
    revoked = vendor.new_rim_signer(ends=vendor.made_at + VALIDITY)
    serial = revoked[0].certificate.serial_number
    answers = vendor.ocsp_responses(revoked, vendor.made_at, revoked=[serial], validity=VALIDITY)
    for label, rims in (
        ("driver RIM revoked", (driver[0](revoked, driver[1]), good_vbios)),
        ("VBIOS RIM revoked", (good_driver, vbios[0](revoked, vbios[1]))),
    ):
        yield bench.written(label, Kind.NVIDIA_GPU, replace(draft.write(), sections=_rims(rims, answers)))


def _rims(rims: tuple[bytes, ...], answers: Sequence[bytes] = ()) -> dict[Kind, tuple[object, ...]]:
    return {Kind.NVIDIA_GPU: tuple(NvidiaGpuEndorsements(rims, tuple(answers)).to_json())}


def _others(bench: Bench) -> Iterator[Case]:
    """CCA, Azure and composites."""
    token = issue_sample(bench.folder, Kind.CCA, bench.order)
    yield bench.case("cut off", Kind.CCA, {**token, "token.cbor": token["token.cbor"][:-9]})
    draft = azure.start(bench.folder, bench.order)
    small = replace(draft, key=rsa.generate_private_key(65537, 1024))
    yield bench.written("small key", Kind.AZURE_VTPM, small.write())
    parts = issue_sample(bench.folder, Kind.AZURE_VTPM, bench.order)
    hcl = parts["hcl_report.bin"]
    tdx = hcl[: 0x4A0 + 0x20 + 8] + (4).to_bytes(4, "little") + hcl[0x4A0 + 0x20 + 12 :]
    yield bench.case("no quote", Kind.AZURE_VTPM, {**parts, "hcl_report.bin": tdx})
    whole = bench.case("good", Kind.AZURE_VTPM, parts)
    yield replace(whole, label="azure cut off", evidence=Evidence(Kind.AZURE_VTPM, whole.evidence.raw[:-9]))
    collection = composite.start(bench.folder, bench.order).write()
    cpu, recorded = intel.start(bench.folder, Kind.TDX, bench.order), evidence_of_files(_recorded_gpu())
    mixed = encode_composite(Parts(Evidence(Kind.TDX, cpu.quote()), (recorded,)))
    both = TrustAnchors((*bench.anchors.anchors, *TrustAnchors.genuine().anchors))
    written = replace(collection, evidence={"composite.json": mixed.raw})
    yield bench.written("of both classes", Kind.COMPOSITE, written, anchors=both)
    cut = {"composite.json": collection.evidence["composite.json"][:-9]}
    yield bench.written("cut off", Kind.COMPOSITE, replace(collection, evidence=cut))


def _recorded_gpu() -> Mapping[str, bytes]:
    folder = Path(__file__).parents[1] / "vectors" / "nvidia_gpu" / "01-hopper-h100-550.90.07-rims"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


_NONCED = Nonced(b"nonce")
