from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pki.certificates import CertificateTemplate, ExtraExtension, KeyUsage, build, common_name
from pki.chains import MAX_PATH, ChainInvalid, verify_path
from pki.keys import KeyAlgorithm, PrivateKey, generate

Pair = tuple[x509.Certificate, PrivateKey]
Make = Callable[..., Pair]


@pytest.fixture
def root(make: Make) -> Pair:
    return make("root", is_ca=True)


@pytest.fixture
def middle(make: Make, root: Pair) -> Pair:
    return make("middle", root, is_ca=True)


@pytest.fixture
def leaf(make: Make, middle: Pair) -> Pair:
    return make("leaf", middle, key_usage=KeyUsage.DIGITAL_SIGNATURE)


def test_a_leaf_leads_over_its_intermediate_to_the_root(leaf: Pair, middle: Pair, root: Pair, noon: datetime) -> None:
    assert (leaf[0], middle[0], root[0]) == verify_path(leaf[0], [middle[0]], [root[0]], now=noon)


def test_the_intermediate_and_its_self_signed_twin_are_anchors_too(
    make: Make, leaf: Pair, middle: Pair, noon: datetime
) -> None:
    twin = make("middle", key=middle[1], is_ca=True)
    for anchor in (middle[0], twin[0]):
        assert (leaf[0], anchor) == verify_path(leaf[0], [middle[0]], [anchor], now=noon)


def test_a_root_that_was_issued_anew_leads_to_the_one_that_was_pinned(make: Make, root: Pair, noon: datetime) -> None:
    anew = make("root", key=root[1], is_ca=True, dns_names=("new.example",))
    leaf = make("leaf", anew)
    assert root[0] in verify_path(leaf[0], [anew[0]], [root[0]], now=noon)
    assert (anew[0], root[0]) == verify_path(anew[0], [], [root[0]], now=noon)


def test_a_pinned_leaf_is_a_path_of_one(make: Make, noon: datetime) -> None:
    leaf = make("self", is_ca=False)
    assert (leaf[0],) == verify_path(leaf[0], [], [leaf[0]], now=noon)


def test_a_forged_copy_of_the_pinned_certificate_is_refused(make: Make, noon: datetime) -> None:
    pinned, key = make("root", is_ca=True)
    forged = (
        x509.CertificateBuilder()
        .subject_name(pinned.subject)
        .issuer_name(pinned.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(noon)
        .not_valid_after(noon + timedelta(days=1))
        .sign(generate(KeyAlgorithm.EC_P256), hashes.SHA256())
    )
    with pytest.raises(ChainInvalid, match="not signed by the key of 'CN=root'"):
        verify_path(forged, [], [pinned], now=noon)


def test_a_stranger_with_the_same_name_is_refused(make: Make, leaf: Pair, middle: Pair, noon: datetime) -> None:
    with pytest.raises(ChainInvalid, match="'CN=middle' is not signed by the key of 'CN=root'"):
        verify_path(leaf[0], [middle[0]], [make("root", is_ca=True)[0]], now=noon)


def test_without_the_intermediate_there_is_no_path(leaf: Pair, root: Pair, noon: datetime) -> None:
    with pytest.raises(ChainInvalid, match="has the name of its issuer"):
        verify_path(leaf[0], [], [root[0]], now=noon)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_every_certificate_of_the_path_must_be_valid_now(make: Make, noon: datetime, which: int) -> None:
    ends = [noon + timedelta(days=2)] * 3
    ends[which] = noon + timedelta(days=1)
    root = make("root", is_ca=True, not_after=ends[2])
    middle = make("middle", root, is_ca=True, not_after=ends[1])
    leaf = make("leaf", middle, not_after=ends[0])
    assert len(verify_path(leaf[0], [middle[0]], [root[0]], now=noon + timedelta(days=1))) == 3
    with pytest.raises(ChainInvalid, match="expired at 2026-11-26T12:00:00Z"):
        verify_path(leaf[0], [middle[0]], [root[0]], now=noon + timedelta(days=1, seconds=1))
    with pytest.raises(ChainInvalid, match="not valid before 2026-11-25T12:00:00Z"):
        verify_path(leaf[0], [middle[0]], [root[0]], now=noon - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"is_ca": False}, "'CN=middle' is no CA certificate"),
        ({"is_ca": True, "key_usage": KeyUsage.DIGITAL_SIGNATURE}, "has a key that may not sign certificates"),
        (
            {
                "is_ca": True,
                "extra": (ExtraExtension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b""), True),),
            },
            "critical extension 1.2.3",
        ),
        (
            {
                "is_ca": True,
                "extra": (ExtraExtension(x509.NameConstraints([x509.DNSName("example")], None), critical=True),),
            },
            "critical extension 2.5.29.30",
        ),
    ],
)
def test_an_intermediate_that_may_not_issue_is_refused(
    make: Make, root: Pair, noon: datetime, fields: dict[str, object], reason: str
) -> None:
    middle = make("middle", root, **fields)
    leaf = make("leaf", middle)
    with pytest.raises(ChainInvalid, match=reason):
        verify_path(leaf[0], [middle[0]], [root[0]], now=noon)


def test_a_path_length_bounds_the_intermediates_below(make: Make, noon: datetime) -> None:
    root = make("root", is_ca=True, path_length=0)
    middle = make("middle", root, is_ca=True)
    leaf = make("leaf", middle)
    assert len(verify_path(middle[0], [], [root[0]], now=noon)) == 2
    with pytest.raises(ChainInvalid, match="allows 0 intermediates below it, got 1"):
        verify_path(leaf[0], [middle[0]], [root[0]], now=noon)


def test_a_ring_of_cross_signed_authorities_ends(make: Make, noon: datetime) -> None:
    a, b = make("a", is_ca=True), make("b", is_ca=True)
    ring = [make("a", b, key=a[1], is_ca=True)[0], make("b", a, key=b[1], is_ca=True)[0]]
    with pytest.raises(ChainInvalid):
        verify_path(make("leaf", a)[0], ring, [make("root", is_ca=True)[0]], now=noon)


def test_a_path_has_an_end_and_so_has_the_work(make: Make, noon: datetime) -> None:
    chain = [make("0", is_ca=True)]
    for number in range(1, MAX_PATH + 1):
        chain.append(make(str(number), chain[-1], is_ca=True))
    certificates = [pair[0] for pair in chain]
    assert len(verify_path(certificates[-2], certificates, certificates[:1], now=noon)) == MAX_PATH
    with pytest.raises(ChainInvalid, match=f"longer than {MAX_PATH}"):
        verify_path(certificates[-1], certificates, certificates[:1], now=noon)
    leaf = make("leaf", chain[0])[0]
    strangers = [make("0", is_ca=True)[0] for _ in range(70)]
    with pytest.raises(ChainInvalid, match="more than 64 signatures"):
        verify_path(leaf, strangers, [make("other", is_ca=True)[0]], now=noon)


def test_a_signature_over_sha_1_is_refused(make: Make, root: Pair, noon: datetime) -> None:
    key = generate(KeyAlgorithm.EC_P256)
    weak = (
        x509.CertificateBuilder()
        .subject_name(common_name("weak"))
        .issuer_name(root[0].subject)
        .public_key(key.public_key())
        .serial_number(9)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(noon + timedelta(days=1))
        .sign(root[1], hashes.SHA224())
    )
    with pytest.raises(ChainInvalid, match="signed with sha224"):
        verify_path(weak, [], [root[0]], now=noon)


def test_a_strangers_name_is_told_in_bounds(root: Pair, noon: datetime) -> None:
    key = generate(KeyAlgorithm.EC_P256)
    units = [x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, f"{n:064}") for n in range(500)]
    name = x509.Name(units)
    stranger = build(
        CertificateTemplate(name),
        public_key=key.public_key(),
        issuer_name=name,
        issuer_key=key,
        not_before=noon,
        serial=1,
    )
    with pytest.raises(ChainInvalid, match=r"certificate 'OU=0+\d+,OU=.* …' leads to no trusted anchor") as told:
        verify_path(stranger, [], [root[0]], now=noon)
    assert len(str(told.value)) < 500
