"""Signed XML has one reading, and nobody puts other measurements under NVIDIA's signature."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import EndorsementFormatError
from attestation.nvidia_gpu.canonical_xml import canonical, parse_xml
from attestation.nvidia_gpu.endorsements import NvidiaGpuEndorsements
from attestation.nvidia_gpu.rim import parse_rim, verify_rim
from attestation.nvidia_gpu.roots import RIM_ROOT, with_name
from attestation.simulation.nvidia_issue import driver_rim

HERE = Path(__file__).parents[2] / "vectors" / "nvidia_gpu"
SHARED = Path(__file__).parents[3] / "../shared/vectors/nvidia"
RIMS = sorted([*HERE.glob("*/*_rim.xml"), *SHARED.glob("*/*rim*.xml")])

NAMES = st.sampled_from(["a", "b", "p:a", "q:b"])
CHARACTERS = ["x", " ", "&amp;", "&lt;", "&gt;", "&quot;", "&#13;", "&#10;", "&#9;", "ä", "\n"]
VALUES = st.lists(st.sampled_from(CHARACTERS), max_size=4).map("".join)


@st.composite
def documents(draw: st.DrawFn, depth: int = 3) -> str:
    """Elements, attributes, declarations and text of any order."""
    name = draw(NAMES)
    declared = {"": draw(st.sampled_from(["", "u:1", "u:2"])), "p": "u:p", "q": draw(st.sampled_from(["u:p", "u:q"]))}
    wanted = draw(st.sets(st.sampled_from(["", "p", "q"]))) if depth < 3 else set(declared)
    parts = [f' xmlns{":" + p if p else ""}="{declared[p]}"' for p in sorted(wanted)]
    parts += [f' {n}="{draw(VALUES)}"' for n in sorted(draw(st.sets(st.sampled_from(["z", "y", "p:z", "p:y"]))))]
    children = draw(st.lists(documents(depth - 1), max_size=2)) if depth else []
    inside = draw(VALUES).replace("&quot;", "") + "".join(f"{child}{draw(VALUES)}" for child in children)
    return f"<{name}{''.join(draw(st.permutations(parts)))}>{inside}</{name}>"


@given(documents())
@settings(max_examples=150)
def test_the_canonical_form_is_libxml2s(text: str) -> None:
    """An independent implementation, where it is installed (Canonical XML 1.0; the same without xml: attributes)."""
    etree = pytest.importorskip("lxml.etree", reason="lxml is not installed")

    assert etree.tostring(etree.fromstring(text.encode()), method="c14n") == canonical(parse_xml(text.encode()))


@given(documents())
@settings(max_examples=50)
def test_the_canonical_form_of_a_canonical_form_is_itself(text: str) -> None:
    once = canonical(parse_xml(text.encode()))

    assert once == canonical(parse_xml(once))


def test_the_canonical_form_is_as_the_specification_shows() -> None:
    """Canonical XML 1.1, 3.3 (start and end tags) without its document type, and 3.4 (character modifications)."""
    raw = b"""<doc>
   <e1   />
   <e3   name = "elem3"   id="elem3"   />
   <e5 a:attr="out" b:attr="sorted" attr2="all" attr="I'm"
      xmlns:b="http://www.ietf.org"
      xmlns:a="http://www.w3.org"
      xmlns="http://example.org"/>
   <e6 xmlns="" xmlns:a="http://www.w3.org"><e7 xmlns="http://www.ietf.org"><e8 xmlns="" xmlns:a="http://www.w3.org">
   </e8></e7></e6><text>First line&#x0d;&#10;Second line</text><compute><![CDATA[value>"0" && value<"10"]]></compute>
</doc>"""

    assert (
        b"""<doc>
   <e1></e1>
   <e3 id="elem3" name="elem3"></e3>
   <e5 xmlns="http://example.org" xmlns:a="http://www.w3.org" xmlns:b="http://www.ietf.org" attr="I'm" attr2="all" """
        b"""b:attr="sorted" a:attr="out"></e5>
   <e6 xmlns:a="http://www.w3.org"><e7 xmlns="http://www.ietf.org"><e8 xmlns="">
   </e8></e7></e6><text>First line&#xD;
Second line</text><compute>value&gt;"0" &amp;&amp; value&lt;"10"</compute>
</doc>""" == canonical(parse_xml(raw))
    )


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"<a", "well-formed"),
        (b"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "no document type"),
        (b"<a><?p x?></a>", "no processing instruction"),
        (b"<p:a/>", "declared prefix"),
        (b"<a xml:id='x'/>", "declared prefix"),
        (b"<a xmlns:p=''/>", "lawful namespace"),
        (b"<a xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'/>", "each attribute once"),
        (b"<a>" * 20 + b"</a>" * 20, "levels"),
        (b"<a>\xff</a>", "well-formed"),
        (b"<a>" + bytes(1 << 20), "at most"),
        (b"", "well-formed"),
    ],
)
def test_what_signed_xml_does_not_need_is_refused(raw: bytes, sentence: str) -> None:
    with pytest.raises(EndorsementFormatError, match=sentence):
        parse_xml(raw)


@given(st.binary(max_size=80))
@settings(max_examples=60)
def test_any_bytes_are_xml_or_refused(raw: bytes) -> None:
    for text in (raw, b"<a>" + raw + b"</a>"):
        try:
            canonical(parse_xml(text))
        except EndorsementFormatError:
            continue


@pytest.mark.parametrize("path", RIMS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_rims_of_nvidia_are_signed_but_where_they_were_altered(path: Path, genuine_anchors) -> None:
    rim = verify_rim(path.read_bytes(), with_name(genuine_anchors, RIM_ROOT))

    assert ("incorrect_signature" not in path.name) is rim.signed
    assert ("incorrect_chain" not in path.name) is (rim.path.anchor is not None)


@pytest.fixture(scope="module")
def good(nvidia) -> bytes:
    return driver_rim(nvidia.rim_chain, "550.90.07")


CHANGES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("a measurement", lambda r: r.replace(b'index="1" active="True"', b'index="1" active="False"'), "was altered"),
    ("the version", lambda r: r.replace(b"550.90.07", b"550.90.08"), "was altered"),
    ("text", lambda r: r.replace(b"</ns0:Payload>", b"x</ns0:Payload>"), "was altered"),
    ("the algorithm", lambda r: r.replace(b"#ecdsa-sha384", b"#ecdsa-sha256"), "signature method: expected"),
    ("the digest's algorithm", lambda r: r.replace(b"more#sha384", b"more#sha224"), "digest method: expected"),
    ("the canonical form", lambda r: r.replace(b"2006/12/xml-c14n11", b"2001/10/xml-exc-c14n#"), "canonicalization:"),
    ("the transforms", lambda r: r.replace(b"#enveloped-signature", b"#base64"), "transforms: expected"),
    ("the reference", lambda r: r.replace(b'URI=""', b'URI="#x"'), "reference: expected"),
    ("the signed digest", lambda r: r.replace(b"<ds:DigestValue>", b"<ds:DigestValue>AAAA"), "was altered"),
    ("the signature", lambda r: r.replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA"), "does not hold"),
]


@pytest.mark.parametrize(
    ("what", "change", "sentence"), CHANGES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_rim_with_another_part_is_not_signed(
    good: bytes, anchors, what: str, change: Callable[[bytes], bytes], sentence: str
) -> None:
    assert verify_rim(good, anchors).signed
    assert change(good) != good

    rim = verify_rim(change(good), anchors)

    assert not rim.signed
    assert sentence in rim.problem


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.replace(b"SoftwareIdentity", b"Software"), "expected a SoftwareIdentity"),
        (lambda r: r[: r.index(b"<ds:Signature ")] + b"</SoftwareIdentity>", "expected one Signature, got 0"),
        (lambda r: wrapped(r), "expected one Signature, got 0"),
        (lambda r: doubled(r), "expected one Signature, got 2"),
        (lambda r: r.replace(b'index="2" ', b'index="1" '), "measurement 1: expected once"),
        (lambda r: r.replace(b'active="True"', b'active="yes"', 1), "expected active True or False"),
        (lambda r: r.replace(b'alternatives="1"', b'alternatives="2"'), "as Hash1"),
        (lambda r: r.replace(b'alternatives="1"', b'alternatives="0"'), "at least one value"),
        (lambda r: r.replace(b'type="Measurement"', b'type="MinSvn"', 1), "expected measurements only"),
        (lambda r: r.replace(b'product="GH100" ', b""), "expected the attribute 'product'"),
        (lambda r: r.replace(b'index="3"', b'index="-3"'), "index: expected 0 to 254"),
        (lambda r: r.replace(b"<ds:X509Certificate>M", b"<ds:X509Certificate>N", 1), "expected X.509 in DER"),
    ],
)
def test_a_rim_that_has_two_readings_is_refused(
    good: bytes, anchors, change: Callable[[bytes], bytes], sentence: str
) -> None:
    assert change(good) != good
    with pytest.raises(EndorsementFormatError, match=sentence):
        verify_rim(change(good), anchors)


def wrapped(raw: bytes) -> bytes:
    """Signature wrapping: the signed document stands inside another one."""
    return raw[: raw.index(b"<ds:Signature ")] + b"<x>" + raw + b"</x></SoftwareIdentity>"


def doubled(raw: bytes) -> bytes:
    start, end = raw.index(b"<ds:Signature "), raw.index(b"</SoftwareIdentity>")
    return raw[:end] + raw[start:end] + raw[end:]


@given(st.data())
@settings(max_examples=40)
def test_any_change_of_a_rim_is_read_or_refused(gpu_case: Callable, data: st.DataObject) -> None:
    raw = bytearray(gpu_case("01").files["driver_rim.xml"])
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    try:
        rim = verify_rim(bytes(raw), ())
    except EndorsementFormatError:
        return
    assert not rim.signed or parse_rim(bytes(raw)) == rim.rim


def test_endorsements_go_into_a_bundle_and_out_again(gpu_case: Callable) -> None:
    endorsements = gpu_case("01").endorsements

    assert (2, 7) == (len(endorsements.rims), len(endorsements.ocsp_responses))
    assert endorsements == NvidiaGpuEndorsements.from_json(endorsements.to_json())
    assert 4 == len(endorsements.and_those(endorsements).rims)


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        ({}, "expected a list, got an object"),
        ([[]], "/0: expected an object with one key"),
        ([{"rim": 1}], "/0: expected base64 text, got a number"),
        ([{"rim": "!"}], "/0: expected base64 text"),
        ([{"rim": "PGE+"}], "/0: XML: expected a well-formed document"),
        ([{"ocsp": "AAAA"}], "/0: OCSP response: expected a successful one"),
        ([{"crl": "AAAA"}], "/0: expected the key 'rim' or 'ocsp', got 'crl'"),
    ],
)
def test_a_bundle_that_cannot_be_read_says_where(items: object, sentence: str) -> None:
    with pytest.raises(EndorsementFormatError, match=sentence):
        NvidiaGpuEndorsements.from_json(items)
