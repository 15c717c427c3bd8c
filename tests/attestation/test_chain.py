"""The one builder of certificate chains: what it refuses, and OpenSSL as an independent judge of the same chains."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import crypto

from attestation import codes
from attestation.anchors import Anchor, TrustAnchors
from attestation.chain import MAX_CERTIFICATES, build_path, read_der_chain, read_pem_chain
from attestation.errors import EndorsementFormatError
from tests.support.slow_keys import slow_rsa

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ODD_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(6)]


@dataclass(frozen=True)
class Role:
    """How a certificate is made.  odd: it has an extension that nobody knows, critical or not."""

    ca: bool = True
    signs_certificates: bool = True
    path_length: int | None = None
    odd: bool | None = None
    right_signer: bool = True


def certificate(
    name: int,
    issuer: int,
    role: Role,
    key: int | None = None,
    *,
    public: rsa.RSAPublicKey | None = None,
    signer: rsa.RSAPrivateKey | None = None,
) -> x509.Certificate:
    """Number 0 is the root, which signs itself; every number has its own key and name.

    public, signer: instead of its own key, and of the issuer's.
    """
    signing = signer or KEYS[issuer if role.right_signer else 5]
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(public or KEYS[name if key is None else key].public_key())
        .serial_number(name + 1)
        .not_valid_before(NOON - timedelta(days=1))
        .not_valid_after(NOON + timedelta(days=1))
        .add_extension(x509.BasicConstraints(role.ca, role.path_length if role.ca else None), critical=True)
        .add_extension(
            x509.KeyUsage(
                not role.signs_certificates, False, False, False, False, role.signs_certificates, False, False, False
            ),
            critical=True,
        )
    )
    if role.odd is not None:
        builder = builder.add_extension(ODD_EXTENSION, critical=role.odd)
    return builder.sign(signing, hashes.SHA256())


def named(number: int) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"number {number}")])


ROOT = certificate(0, 0, Role())
ANCHORS = TrustAnchors((Anchor(ROOT, simulated=False),))
LEAF = Role(ca=False, signs_certificates=False)


def chain_of(*roles: Role) -> list[x509.Certificate]:
    """Leaf first: each certificate is issued by the next one, the last by the root."""
    count = len(roles)
    return [certificate(count - i, count - i - 1, role) for i, role in enumerate(roles)]


def openssl_accepts(leaf: x509.Certificate, others: list[x509.Certificate]) -> bool:
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(ROOT))
    store.set_time(NOON)
    chain = [crypto.X509.from_cryptography(other) for other in others]
    try:
        crypto.X509StoreContext(store, crypto.X509.from_cryptography(leaf), chain).verify_certificate()
    except crypto.X509StoreContextError:
        return False
    return True


roles = st.builds(
    Role,
    ca=st.sampled_from((True, True, True, False)),
    signs_certificates=st.sampled_from((True, True, True, False)),
    path_length=st.sampled_from((None, 0, 1, 2)),
    odd=st.sampled_from((None, None, False, True)),
    right_signer=st.sampled_from((True, True, True, False)),
)


@settings(max_examples=80, deadline=None)
@given(
    leaf=st.builds(
        Role, ca=st.just(False), signs_certificates=st.just(False), odd=st.sampled_from((None, False, True))
    ),
    intermediates=st.lists(roles, max_size=3),
    order=st.randoms(use_true_random=False),
    left_out=st.integers(min_value=0, max_value=12),
)
def test_openssl_accepts_the_same_chains(leaf: Role, intermediates: list[Role], order, left_out: int) -> None:
    first, *others = chain_of(leaf, *intermediates)
    others = [other for position, other in enumerate(others) if position != left_out]
    order.shuffle(others)

    path = build_path(first, others, ANCHORS, intermediates=4, signs_data=True)

    assert openssl_accepts(first, others) == (path.anchor is not None)
    assert (path.anchor is None) == bool(path.problem)


def test_a_critical_extension_that_is_not_understood_is_refused_and_another_one_is_not() -> None:
    for at in (0, 1):
        for critical in (True, False):
            made = [LEAF, Role()]
            made[at] = Role(made[at].ca, made[at].signs_certificates, odd=critical)
            leaf, ca = chain_of(*made)
            path = build_path(leaf, [ca], ANCHORS)
            assert critical == ("the critical extension 1.2.3.4" in path.problem)
            assert critical == (path.anchor is None)


@pytest.mark.parametrize("slow", [False, True])
def test_an_authority_whose_signatures_take_long_to_check_is_none(slow: bool) -> None:
    """Its signatures hold, as OpenSSL says, and a stranger's request with seven of them took as long as 20 others."""
    key = slow_rsa() if slow else rsa.generate_private_key(65537, 2048)
    ca = certificate(1, 0, Role(), public=key.public_key())
    leaf = certificate(2, 1, LEAF, signer=key)
    path = build_path(leaf, [ca], ANCHORS)
    assert openssl_accepts(leaf, [ca])
    assert slow is (path.anchor is None)


def test_a_chain_may_be_as_long_as_the_vendors_and_no_longer() -> None:
    leaf, *others = chain_of(LEAF, Role(), Role(), Role())

    assert build_path(leaf, others, ANCHORS, intermediates=3).anchor is not None
    path = build_path(leaf, others, ANCHORS, intermediates=2)
    assert (None, codes.CHAIN) == (path.anchor, path.code)
    assert "more than 2 intermediate certificates" in path.problem


def test_an_authority_signs_no_data_where_the_vendor_says_so() -> None:
    (ca,) = chain_of(Role())

    assert build_path(ca, [], ANCHORS).anchor is not None
    assert "'number 1' is a CA certificate" in build_path(ca, [], ANCHORS, signs_data=True).problem


def test_a_path_length_holds_for_what_stands_below() -> None:
    leaf, *others = chain_of(LEAF, Role(), Role(path_length=1))
    assert build_path(leaf, others, ANCHORS, intermediates=4).anchor is not None
    leaf, *others = chain_of(LEAF, Role(), Role(path_length=0))
    assert "'number 1' may have 0 authorities below it, got 1" == (
        build_path(leaf, others, ANCHORS, intermediates=4).problem
    )


@pytest.mark.parametrize("count", [0, MAX_CERTIFICATES + 1])
def test_no_certificates_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(EndorsementFormatError, match=f"expected 1 to {MAX_CERTIFICATES} in PEM, got {count}"):
        read_pem_chain(ROOT.public_bytes(Encoding.PEM) * count)
    with pytest.raises(EndorsementFormatError, match=f"expected 1 to {MAX_CERTIFICATES} in DER, got {count}"):
        read_der_chain([ROOT.public_bytes(Encoding.DER)] * count)


def test_certificates_are_read_in_their_order_and_what_is_none_is_refused() -> None:
    certificates = tuple(chain_of(LEAF, Role()))
    pem = b"text\n".join(c.public_bytes(Encoding.PEM) for c in certificates)

    assert certificates == read_pem_chain(pem)
    assert certificates == read_der_chain([c.public_bytes(Encoding.DER) for c in certificates])
    with pytest.raises(EndorsementFormatError, match=r"expected X\.509 in DER, got ValueError"):
        read_der_chain([b"\x30\x00"])
