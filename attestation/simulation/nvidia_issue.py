"""What a simulated NVIDIA issues: measurement reports of its devices, and RIMs, in the vendor's own formats."""

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha384
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from attestation.evidence import Evidence
from attestation.kinds import Kind
from attestation.nvidia_gpu.canonical_xml import canonical, parse_xml
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.format import NONCE_BYTES, Field, pack
from attestation.nvidia_gpu.rim import (
    C14N_1_1,
    DIGEST_SHA384,
    ECDSA_SHA384,
    ENVELOPED,
    SHA384_NAMESPACE,
    SWID,
    XMLDSIG,
)
from attestation.nvidia_gpu.signature import sign
from attestation.simulation.nvidia import Authority, SimulatedGpu, SimulatedNvidia

BLOCKS: Final = 64
_DRIVER_INDICES: Final = range(1, BLOCKS, 2)
_VBIOS_INDICES: Final = range(0, BLOCKS, 2)


@dataclass(frozen=True, slots=True)
class Booted:
    """What runs on a device.  altered: index (from 0) to another measurement, as in a debug mode.

    vbios: five numbers.  opaque: further or other opaque fields.
    """

    driver: str = "550.90.07"
    vbios: tuple[int, int, int, int, int] = (0x96, 0, 0x9F, 0, 1)
    altered: Mapping[int, bytes] = field(default_factory=dict)
    opaque: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def vbios_version(self) -> str:
        """As the RIM writes it."""
        return ".".join(f"{part:02X}" for part in self.vbios)

    def measurement(self, index: int) -> bytes:
        """48 bytes: what this driver or VBIOS measures there."""
        version = self.driver if index in _DRIVER_INDICES else self.vbios_version
        return self.altered.get(index) or released(index, version)


def released(index: int, version: str) -> bytes:
    """The measurement of a released driver or VBIOS."""
    return sha384(f"simulated measurement {index} of {version}".encode()).digest()


def issue(gpu: SimulatedGpu, nonce: bytes, booted: Booted | None = None, *, fwid: bytes | None = None) -> Evidence:
    """Evidence of a device for a nonce of 32 bytes.  fwid: firmware digest in the report, else the certificate's."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"nonce: expected {NONCE_BYTES} bytes, got {len(nonce)}")
    booted = booted or Booted()
    request = bytes((0x11, 0xE0, 0x01, 0xFF)) + nonce + b"\0"
    record = b"".join(_block(i + 1, booted.measurement(i)) for i in range(BLOCKS))
    vbios = bytes(booted.vbios[3::-1]) + bytes([booted.vbios[4]]) + bytes(3)
    fields = {
        Field.VBIOS_VERSION: vbios,
        Field.CHIP_SKU: b"882\0",
        Field.PROJECT: b"1010\0",
        Field.PROJECT_SKU: b"0200\0",
        Field.DRIVER_VERSION: booted.driver.encode() + b"\0",
        Field.NVDEC0_STATUS: b"\xaa",
        Field.FWID: fwid or gpu.fwid,
        Field.PROTECTED_PCIE_STATUS: b"\x55",
        Field.OPAQUE_DATA_VERSION: b"\x01\0",
        Field.FEATURE_FLAG: b"\x01\0",
        **booted.opaque,
    }
    opaque = b"".join(_sized(number, value) for number, value in fields.items())
    response = (
        bytes((0x11, 0x60, 0, 0, BLOCKS))
        + len(record).to_bytes(3, "little")
        + record
        + os.urandom(NONCE_BYTES)  # noqa: TID251 - shell: the device's own nonce
        + len(opaque).to_bytes(2, "little")
        + opaque
    )
    signed = request + response
    return Evidence(Kind.NVIDIA_GPU, pack(signed + sign(gpu.chain[0].key, signed), gpu.chain_pem))


def endorsements(
    vendor: SimulatedNvidia, booted: Booted | None = None, *, responses: Sequence[bytes] = ()
) -> NvidiaGpuEndorsements:
    """RIMs of the released driver and VBIOS of these versions, and OCSP responses."""
    booted = booted or Booted()
    rims = (driver_rim(vendor.rim_chain, booted.driver), vbios_rim(vendor.rim_chain, booted.vbios_version))
    return NvidiaGpuEndorsements(rims, tuple(responses))


def driver_rim(signer: tuple[Authority, ...], version: str, model: str = "GH100") -> bytes:
    """The RIM of a driver."""
    return rim(signer, model, version, {i: released(i, version) for i in _DRIVER_INDICES})


def vbios_rim(signer: tuple[Authority, ...], version: str, model: str = "GH100") -> bytes:
    """The RIM of a VBIOS."""
    return rim(signer, model, version, {i: released(i, version) for i in _VBIOS_INDICES})


def rim(signer: tuple[Authority, ...], model: str, version: str, golden: Mapping[int, bytes]) -> bytes:
    """A RIM with the outline of NVIDIA's, signed."""
    resources = "\n".join(
        f'        <ns0:Resource type="Measurement" index="{i}" active="{i in golden}" alternatives="1" '
        f'ns2:Hash0="{golden.get(i, bytes(48)).hex()}" name="Measurement_{i}" size="48"/>'
        for i in range(BLOCKS)
    )
    certificates = "".join(
        f"<ds:X509Certificate>{b64encode(a.certificate.public_bytes(Encoding.DER)).decode()}</ds:X509Certificate>"
        for a in signer
    )
    text = (
        f'<SoftwareIdentity xmlns="{SWID}" xmlns:ns0="{SWID}" xmlns:ns2="{SHA384_NAMESPACE}" name="{model}" '
        f'tagId="simulated" version="1.0" tagVersion="0">\n'
        f'    <ns0:Entity name="NVIDIA Corporation" role="softwareCreator tagCreator"/>\n'
        f'    <ns0:Meta colloquialVersion="{version}" edition="GPU" product="{model}" revision="r1"/>\n'
        f"    <ns0:Payload>\n{resources}\n    </ns0:Payload>\n"
        f'<ds:Signature xmlns:ds="{XMLDSIG}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{C14N_1_1}"/>'
        f'<ds:SignatureMethod Algorithm="{ECDSA_SHA384}"/><ds:Reference URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="{C14N_1_1}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{DIGEST_SHA384}"/><ds:DigestValue>{_DIGEST}</ds:DigestValue></ds:Reference>'
        f"</ds:SignedInfo><ds:SignatureValue>{_SIGNATURE}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>{certificates}"
        f"</ds:X509Data></ds:KeyInfo></ds:Signature></SoftwareIdentity>"
    )
    document = parse_xml(text.encode())
    signature = next(document.all_named("Signature", XMLDSIG))
    digest = sha384(canonical(document, without=signature)).digest()
    text = text.replace(_DIGEST, b64encode(digest).decode())
    info = next(parse_xml(text.encode()).all_named("SignedInfo", XMLDSIG))
    return text.replace(_SIGNATURE, b64encode(sign(signer[0].key, canonical(info))).decode()).encode()


def _block(index: int, value: bytes) -> bytes:
    content = b"\x01" + len(value).to_bytes(2, "little") + value
    return bytes((index, 1)) + len(content).to_bytes(2, "little") + content


def _sized(number: int, value: bytes) -> bytes:
    return number.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value


_DIGEST: Final = "DIGEST-TO-COME"
_SIGNATURE: Final = "SIGNATURE-TO-COME"
