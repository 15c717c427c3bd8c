"""Shares: whose they are, what they make together, and that no other bytes are taken for one."""

import hashlib
from collections.abc import Callable

import pyshamir
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.recovery.errors import (
    EnvelopeUnreadable,
    NothingProven,
    OtherState,
    OwnerKeyInvalid,
    PlanInvalid,
    ProofWrong,
    RecoveryError,
    ShareGiven,
    ShareUnknown,
)
from coordinator.recovery.field import inverse, product, times
from coordinator.recovery.gathering import Gathering, Submission
from coordinator.recovery.owner_key import KeyInMemory, OwnerPrivateKey, check_proof, parse_owner_key, seal_for
from coordinator.recovery.plan import Owner, Plan, decode_plan, encode_plan
from coordinator.recovery.prepare import Prepared, prepare
from coordinator.recovery.rehearsal import check_rehearsal, prove_rehearsal, rehearsal_verifier
from coordinator.recovery.scheme import combine, split
from coordinator.recovery.statement import WaitingState, statement

SECRET = bytes(range(32))
STATE = WaitingState(b"j" * 16, 7, b"l" * 32)
KEYS: dict[str, OwnerPrivateKey] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "x25519": x25519.X25519PrivateKey.generate(),
}


def draw(size: int, _count: list[int] = [0]) -> bytes:  # noqa: B006 - one counter for all draws of the tests
    _count[0] += 1
    return hashlib.sha256(_count[0].to_bytes(8, "big")).digest()[:size]


def prepared(threshold: int = 0, *, names: tuple[str, ...] = ("rsa", "p256", "x25519")) -> Prepared:
    return prepare({name: KEYS[name].public_key() for name in names}, threshold, draw)


def submission(made: Prepared, name: str, *, state: WaitingState | None = None, signer: str = "") -> Submission:
    share = KeyInMemory(KEYS[name]).open(made.envelopes[name])
    message = share if state is None else statement(state, share)
    return Submission(share, KeyInMemory(KEYS[signer or name]).prove(message, share), state)


@pytest.mark.parametrize(("owners", "needed", "length"), [(1, 1, 32), (3, 3, 32), (2, 2, 32), (5, 3, 33), (3, 2, 33)])
def test_as_many_shares_as_are_needed_make_the_secret(owners: int, needed: int, length: int) -> None:
    shares = split(SECRET, owners, needed, draw)
    assert {length} == {len(share) for share in shares}
    assert owners == len(set(shares))
    assert SECRET == combine(shares[-needed:], owners)


def test_fewer_shares_make_something_else() -> None:
    assert SECRET != combine(split(SECRET, 5, 3, draw)[:2], 5)


def test_a_share_of_the_threshold_scheme_is_y_then_x_as_vault_writes_it() -> None:
    """Two points of y = secret + a x over GF(2^8): worked out by hand, not by the library that is tested."""

    def times(a: int, b: int) -> int:
        product = 0
        while b:
            product ^= a if b & 1 else 0
            a, b = (a << 1) ^ (0x11B if a & 0x80 else 0), b >> 1
        return product

    slopes = hashlib.sha256(b"slopes").digest()
    points = [bytes(s ^ times(a, x) for s, a in zip(SECRET, slopes, strict=True)) + bytes((x,)) for x in (3, 250)]
    assert SECRET == combine(points, 3)


@settings(max_examples=25, deadline=None)
@given(secret=st.binary(min_size=32, max_size=32), owners=st.integers(3, 9), data=st.data())
def test_shares_are_those_of_vault_in_both_directions(secret: bytes, owners: int, data: st.DataObject) -> None:
    """pyshamir is a port of HashiCorp Vault's; MarbleRun's shares are the same (contract 5.3)."""
    needed = data.draw(st.integers(2, owners - 1))
    ours, theirs = split(secret, owners, needed, draw), pyshamir.split(secret, owners, needed)
    chosen = data.draw(st.permutations(range(owners)))[:needed]
    assert secret == bytes(pyshamir.combine([bytearray(ours[number]) for number in chosen]))
    assert secret == combine([bytes(theirs[number]) for number in chosen], owners)


@pytest.mark.parametrize(("owners", "needed"), [(64, 63), (255, 2), (255, 254)])
def test_many_owners_have_shares_that_differ_and_recover(owners: int, needed: int) -> None:
    """With pyshamir 63 of 64 took 37 s to combine, and a manifest may name 255 owners."""
    shares = split(SECRET, owners, needed, draw)
    assert owners == len({share[-1] for share in shares} - {0})
    assert SECRET == combine(shares[-needed:], owners)
    assert SECRET != combine(shares[-needed + 1 :], owners)


@given(st.integers(1, 255), st.integers(0, 255))
def test_the_field_has_inverses_and_times_is_that_of_its_definition(element: int, other: int) -> None:
    product_by_bits = 0
    for bit in range(8):
        step = element << bit
        product_by_bits ^= step if other >> bit & 1 else 0
    for bit in range(14, 7, -1):
        product_by_bits ^= 0x11B << (bit - 8) if product_by_bits >> bit & 1 else 0
    assert product_by_bits == product([element, other])
    assert bytes([product_by_bits, element]) == times(bytes([other, 1]), element)
    assert 1 == product([element, inverse(element)])


@pytest.mark.parametrize("kind", KEYS)
def test_only_the_owner_opens_an_envelope_and_proves_a_share(kind: str) -> None:
    key, share = KEYS[kind], bytes(range(33))
    opener = KeyInMemory(key)
    envelope = seal_for(key.public_key(), share)
    assert share == opener.open(envelope)
    check_proof(key.public_key(), b"message", share, opener.prove(b"message", share))
    other = KeyInMemory(_another(key))
    for wrong in (envelope[:-1], bytes(len(envelope)), b""):
        with pytest.raises(EnvelopeUnreadable):
            opener.open(wrong)
    with pytest.raises(EnvelopeUnreadable):
        other.open(envelope)
    with pytest.raises(ProofWrong):
        check_proof(key.public_key(), b"message", share, opener.prove(b"massage", share))
    with pytest.raises(ProofWrong):
        check_proof(key.public_key(), b"message", share, other.prove(b"message", b"another share"))


def _another(key: OwnerPrivateKey) -> OwnerPrivateKey:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ec.generate_private_key(key.curve)
    if isinstance(key, x25519.X25519PrivateKey):
        return x25519.X25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    "make",
    [lambda: ec.generate_private_key(ec.SECP521R1()), ed25519.Ed25519PrivateKey.generate],
    ids=["p521", "ed25519"],
)
def test_other_kinds_of_keys_own_nothing(make: Callable[[], ed25519.Ed25519PrivateKey]) -> None:
    key = make()
    with pytest.raises(OwnerKeyInvalid):
        parse_owner_key(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(OwnerKeyInvalid):
        KeyInMemory.parse(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), None)


@pytest.mark.parametrize("state", [None, STATE], ids=["the share alone", "share and state"])
def test_owners_give_their_shares_in_any_order(state: WaitingState | None) -> None:
    made = prepared(2)
    gathering = Gathering(made.plan, STATE)
    for name in ("x25519", "rsa"):
        gathering = gathering.accept(submission(made, name, state=state))
    assert (0, made.secret) == (gathering.remaining, gathering.secret())


def test_each_wrong_share_is_refused_by_itself_and_the_right_one_still_counts() -> None:
    made, other = prepared(2), prepared(2)
    gathering = Gathering(made.plan, STATE).accept(submission(made, "p256"))
    older = WaitingState(STATE.journal, STATE.sequence - 1, STATE.link)
    wrong: tuple[tuple[Submission, type[RecoveryError]], ...] = (
        (submission(other, "rsa"), ShareUnknown),
        (submission(made, "p256"), ShareGiven),
        (submission(made, "rsa", signer="p384"), ProofWrong),
        (Submission(submission(made, "rsa").share, b"", None), ProofWrong),
        (submission(made, "rsa", state=older), OtherState),
    )
    for given_wrongly, error in wrong:
        with pytest.raises(error):
            gathering.accept(given_wrongly)
    assert made.secret == gathering.accept(submission(made, "rsa", state=STATE)).secret()


def test_no_error_and_no_value_shows_a_share() -> None:
    made = prepared(2)
    right = submission(made, "rsa")
    with pytest.raises(ProofWrong) as refused:
        Gathering(made.plan, STATE).accept(Submission(right.share, b"x", None))
    shown = str(refused.value) + repr(right) + repr(made) + repr(made.plan)
    assert repr(right.share)[2:-1] not in shown
    assert right.share.hex() not in shown
    assert repr(made.secret)[2:-1] not in shown


def test_a_rehearsal_proves_the_share_and_answers_one_question_only() -> None:
    share = submission(prepared(), "rsa").share
    verifier = rehearsal_verifier(share)
    proof = prove_rehearsal(verifier, "rsa", b"question")
    check_rehearsal(verifier, "rsa", b"question", proof)
    for owner, nonce in (("p256", b"question"), ("rsa", b"another")):
        with pytest.raises(NothingProven):
            check_rehearsal(verifier, owner, nonce, proof)


@given(st.sampled_from([(1, 1), (2, 2), (3, 2), (4, 4)]))
def test_a_plan_round_trips(shape: tuple[int, int]) -> None:
    key = KEYS["p256"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    plan = Plan(shape[1], tuple(Owner(f"o{i}", key, bytes((i,)) * 32) for i in range(shape[0])))
    assert plan == decode_plan(encode_plan(plan))


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda raw: b"\x01" + raw))
def test_no_bytes_make_the_decoder_of_plans_fail_in_any_other_way(raw: bytes) -> None:
    try:
        decode_plan(raw)
    except PlanInvalid:
        return


@pytest.mark.parametrize("plan", [(0, 2), (1, 2), (3, 2), (2, 1)])
def test_a_plan_that_cannot_be_is_refused(plan: tuple[int, int]) -> None:
    key = KEYS["p256"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    owners = tuple(Owner(f"o{i}", key, bytes((i,)) * 32) for i in range(plan[1]))
    with pytest.raises(PlanInvalid):
        decode_plan(encode_plan(Plan(plan[0], owners)))
