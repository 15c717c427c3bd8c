"""What did the vendor publish for this firmware?  A RIM: reference measurements in a signed SWID document.

Everything that is read from the document is read from the one tree whose canonical form was verified.
Source: TCG PC Client RIM 1.04 (SWID tag with payload), W3C XML Signature 1.1 (enveloped, ECDSA over P-384 with
SHA-384, Canonical XML 1.1), as NVIDIA signs them.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha384
from typing import Final

from attestation.anchors import Anchor, TrustAnchors, p384_key
from attestation.chain import Path, build_path, read_der_chain
from attestation.errors import EndorsementFormatError
from attestation.nvidia_gpu.canonical_xml import Element, canonical, parse_xml
from attestation.nvidia_gpu.roots import INTERMEDIATES
from attestation.nvidia_gpu.signature import is_signed_by

SPECIFICATION: Final = "TCG RIM (SWID payload), signed as W3C XML Signature 1.1"
SWID: Final = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
SHA384_NAMESPACE: Final = "http://www.w3.org/2001/04/xmlenc#sha384"
C14N_1_1: Final = "http://www.w3.org/2006/12/xml-c14n11"
ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
ECDSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
DIGEST_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#sha384"
MEASUREMENT_BYTES: Final = 48
_MAX_INDEX: Final = 254
_MAX_ALTERNATIVES: Final = 64
_DIGITS: Final = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class Rim:
    """product: model, e.g. "GH100".  edition: "GPU" or "SWITCH".  version: of the driver or the VBIOS.

    golden: index (from 0) to the values that are accepted there; only indices that the vendor marks active.
    """

    product: str
    edition: str
    version: str
    golden: Mapping[int, tuple[bytes, ...]]

    def is_for(self, product: str, version: str) -> bool:
        """Models and versions compare without case and underscores ("LS_10" is "LS10")."""
        return (_plain(self.product), self.version.casefold()) == (_plain(product), version.casefold())


@dataclass(frozen=True, slots=True)
class VerifiedRim:
    """signed: the document is signed by its leaf certificate; `problem` says why not.  path: where the leaf leads."""

    rim: Rim
    signed: bool
    problem: str
    path: Path


def parse_rim(raw: bytes) -> Rim:
    """What a RIM says, trusted or not.  Raises EndorsementFormatError."""
    return _read(parse_xml(raw))


def verify_rim(raw: bytes, anchors: tuple[Anchor, ...]) -> VerifiedRim:
    """Signature and chain of a RIM at any time.  anchors: the roots of RIMs.  Raises EndorsementFormatError."""
    document = parse_xml(raw)
    rim = _read(document)
    signature = _only(document, "Signature", XMLDSIG)
    if sum(1 for _ in document.all_named("Signature", XMLDSIG)) != 1:
        raise EndorsementFormatError("RIM signature: expected one, got several")
    encoded = ["".join(e.text.split()) for e in signature.all_named("X509Certificate", XMLDSIG)]
    certificates = read_der_chain([_base64(text, "certificate") for text in encoded])
    problem = _objection(document, signature)
    key = p384_key(certificates[0])
    if not problem:
        value = _base64("".join(_only(signature, "SignatureValue", XMLDSIG).text.split()), "signature value")
        if key is None or not is_signed_by(key, value, canonical(_only(signature, "SignedInfo", XMLDSIG))):
            problem = "the signature does not hold"
    path = build_path(
        certificates[0], certificates[1:], TrustAnchors(anchors), intermediates=INTERMEDIATES, signs_data=True
    )
    return VerifiedRim(rim, not problem, problem, path)


def _objection(document: Element, signature: Element) -> str:
    """What speaks against the signed information: other algorithms, another reference, another digest."""
    info = _only(signature, "SignedInfo", XMLDSIG)
    reference = _only(info, "Reference", XMLDSIG)
    transforms = [
        e.get("Algorithm") for e in _only(reference, "Transforms", XMLDSIG).elements if e.local == "Transform"
    ]
    algorithms = {
        "canonicalization": (_only(info, "CanonicalizationMethod", XMLDSIG).get("Algorithm"), C14N_1_1),
        "signature method": (_only(info, "SignatureMethod", XMLDSIG).get("Algorithm"), ECDSA_SHA384),
        "digest method": (_only(reference, "DigestMethod", XMLDSIG).get("Algorithm"), DIGEST_SHA384),
        "reference": (reference.get("URI"), ""),
        "transforms": (transforms, [ENVELOPED, C14N_1_1]),
    }
    for what, (found, wanted) in algorithms.items():
        if found != wanted:
            return f"{what}: expected {wanted!r}, got {found!r:.200}"
    digest = _base64("".join(_only(reference, "DigestValue", XMLDSIG).text.split()), "digest")
    if sha384(canonical(document, without=signature)).digest() != digest:
        return "the document was altered: its digest is another than the signed one"
    return ""


def _read(document: Element) -> Rim:
    if (document.local, document.namespace) != ("SoftwareIdentity", SWID):
        raise EndorsementFormatError(f"RIM: expected a SoftwareIdentity, got <{document.name:.60}>")
    meta, payload = _only(document, "Meta", SWID), _only(document, "Payload", SWID)
    golden: dict[int, tuple[bytes, ...]] = {}
    seen: set[int] = set()
    for resource in payload.elements:
        if (resource.local, resource.namespace, resource.get("type")) != ("Resource", SWID, "Measurement"):
            raise EndorsementFormatError(
                f"RIM payload: expected measurements only, got <{resource.name:.60}> {resource.get('type')!r:.60}"
            )
        index = _number(resource, "index", _MAX_INDEX)
        if index in seen:
            raise EndorsementFormatError(f"RIM measurement {index}: expected once, got twice")
        seen.add(index)
        active = _text(resource, "active")
        if active not in ("True", "False"):
            raise EndorsementFormatError(f"RIM measurement {index}: expected active True or False, got {active!r:.20}")
        if active == "True":
            golden[index] = _values(resource, index)
    return Rim(_text(meta, "product"), _text(meta, "edition"), _text(meta, "colloquialVersion"), golden)


def _values(resource: Element, index: int) -> tuple[bytes, ...]:
    values = []
    for number in range(_number(resource, "alternatives", _MAX_ALTERNATIVES)):
        text = resource.get(f"Hash{number}", SHA384_NAMESPACE)
        try:
            value = bytes.fromhex(text or "")
        except ValueError:
            value = b""
        if len(value) != MEASUREMENT_BYTES:
            raise EndorsementFormatError(
                f"RIM measurement {index}: expected {MEASUREMENT_BYTES} bytes in hex as Hash{number}, got {text!r:.20}"
            )
        values.append(value)
    if not values:
        raise EndorsementFormatError(f"RIM measurement {index}: expected at least one value, got none")
    return tuple(values)


def _only(parent: Element, local: str, namespace: str) -> Element:
    found = [e for e in parent.elements if (e.local, e.namespace) == (local, namespace)]
    if len(found) != 1:
        raise EndorsementFormatError(f"RIM <{parent.name:.60}>: expected one {local}, got {len(found)}")
    return found[0]


def _text(element: Element, name: str) -> str:
    value = element.get(name)
    if not value:
        raise EndorsementFormatError(f"RIM <{element.name:.60}>: expected the attribute '{name}'")
    return value


def _number(element: Element, name: str, most: int) -> int:
    text = _text(element, name)
    if not _DIGITS.fullmatch(text) or int(text) > most:
        raise EndorsementFormatError(f"RIM <{element.name:.60}> {name}: expected 0 to {most}, got {text!r:.20}")
    return int(text)


def _base64(text: str, what: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise EndorsementFormatError(f"RIM {what}: expected base64, got {error}") from error


def _plain(product: str) -> str:
    return product.replace("_", "").casefold()
