"""Generated passwords: as the manifest says, none preferred, and the same for the same instance."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cli.manifest_rehearsal import Rehearsal
from coordinator.manifest.model import PasswordRule
from coordinator.manifest.parse import parse
from coordinator.secrets.password import draw_password, password_from

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
UUIDS = ("11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555")
RULES = st.builds(
    PasswordRule,
    st.integers(8, 256),
    st.sets(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=2, max_size=94).map(
        lambda characters: "".join(sorted(characters))
    ),
)


def dice(seed: int) -> Callable[[int], bytes]:
    return Random(seed).randbytes


def rehearsal(seed: int = 1, **secrets: Any) -> Rehearsal:
    env = {name.upper(): f"{{{{ string .Secrets.{name} }}}}" for name in secrets}
    files = {f"/{name}": f"{{{{ raw .Secrets.{name} }}}}" for name in secrets}
    document = {
        "Packages": {"p": {"TDX": {"MRTD": "11" * 48}}},
        "Marbles": {
            "m": {"Package": "p", "CertificateLifetime": "12h", "Parameters": {"Env": env, "Files": files}},
            "other": {"Package": "p", "Parameters": {"Env": env}},
        },
        "Secrets": secrets,
    }
    manifest = parse(json.dumps(document).encode(), name="m", compatible=False).manifest
    return Rehearsal(manifest, compatible=False, now=NOON, entropy=dice(seed))


def password(made: Rehearsal, marble: str = "m", uuid: str = UUIDS[0], name: str = "DB") -> str:
    return made.activate(made.manifest.marbles[marble], uuid).env[name].content.decode()


@given(RULES, st.integers(0, 2**32))
def test_a_password_has_its_length_and_only_its_characters(rule: PasswordRule, seed: int) -> None:
    drawn = draw_password(rule, dice(seed)).decode()
    assert (len(drawn), set(drawn) - set(rule.characters)) == (rule.length, set())


def test_no_character_is_preferred() -> None:
    rule = PasswordRule(256, "abc")
    counts = Counter(draw_password(rule, dice(7)) + draw_password(rule, dice(8)) + draw_password(rule, dice(9)))
    # 768 draws of 3: beyond 200 or 312 is more than 4 standard deviations.
    assert all(200 < count < 312 for count in counts.values())
    # 255 is the one byte that would make "a" more likely.
    assert password_from(PasswordRule(8, "abc"), bytes([255, 0, 1, 2, 255, 3, 4, 5, 254, 0])) == b"abcabcca"


def test_too_few_bytes_make_no_shorter_password() -> None:
    assert password_from(PasswordRule(8, "ab"), bytes(8)) == b"aaaaaaaa"
    with pytest.raises(ValueError, match="7 of 8 characters"):
        password_from(PasswordRule(8, "ab"), bytes(7))


def test_a_shared_password_is_one_for_all_and_a_deployments_own() -> None:
    made, again = (rehearsal(seed, db={"Type": "generated-password", "Shared": True}) for seed in (1, 2))
    one = password(made)
    assert len(one) == 32
    assert {one} == {password(made, marble, uuid) for marble in ("m", "other") for uuid in UUIDS}
    assert one != password(again)


def test_a_password_that_is_not_shared_stays_with_its_instance() -> None:
    made = rehearsal(db={"Type": "generated-password", "Length": 24, "Alphabet": "Hex"})
    mine = password(made)
    assert mine == password(made)
    assert len({mine, password(made, uuid=UUIDS[1]), password(made, "other")}) == 3
    assert set(mine) <= set("0123456789abcdef")


def test_a_derived_password_tells_nothing_of_a_key_with_the_same_name() -> None:
    as_password = rehearsal(db={"Type": "generated-password", "Length": 8, "Alphabet": "Hex"})
    as_key = rehearsal(db={"Type": "symmetric-key", "Size": 256})
    key = as_key.activate(as_key.manifest.marbles["m"], UUIDS[0]).secrets["db"].private
    rule = as_password.manifest.secrets["db"].password
    assert rule is not None
    assert password(as_password).encode() != password_from(rule, key)


def test_a_file_gets_the_same_characters_as_a_variable() -> None:
    made = rehearsal(db={"Type": "generated-password"})
    given_ = made.activate(made.manifest.marbles["m"], UUIDS[0])
    assert given_.files["/db"].content == given_.env["DB"].content


def test_a_marbles_certificate_lasts_as_long_as_the_manifest_says() -> None:
    made = rehearsal(db={"Type": "generated-password"})
    ends = {
        name: made.activate(marble, UUIDS[0]).identity.certificate.not_valid_after_utc
        for name, marble in made.manifest.marbles.items()
    }
    assert ends == {"m": NOON + timedelta(hours=12), "other": NOON + timedelta(days=365)}
