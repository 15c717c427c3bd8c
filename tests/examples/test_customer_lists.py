"""A list of customers is read strictly, and a refusal never repeats what a line said."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.common_customers.intersection import ListRefused, intersect, parse_customers

SALT = bytes(32)


def test_addresses_are_the_same_customer_whatever_their_case_and_blanks() -> None:
    alice = parse_customers(b"email,name\r\nAnna@Mail.Example,Anna\r\n", SALT)
    bob = parse_customers(b'email,name\n anna@mail.example ,"A, Anna"\n', SALT)
    assert intersect({"alice": alice, "bob": bob}) == b"anna@mail.example\n"


def test_the_commitment_is_over_salt_and_body() -> None:
    body = b"email,name\na@b,c\n"
    assert hashlib.sha256(SALT + body).hexdigest() == parse_customers(body, SALT).commitment


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "expected the header email,name"),
        (b"name,email\nx,secret@b\n", "expected the header email,name"),
        (b"email,name\nsecret@b\n", "line 2: expected 2 columns, got 1"),
        (b"email,name\na@b,c\nsecret@b,c,d\n", "line 3: expected 2 columns, got 3"),
        (b"email,name\nsecret,c\n", "line 2: expected an e-mail address"),
        (b"email,name\nsecret@b,\xff\n", "expected UTF-8"),
        (b'email,name\n"secret@b"x,c\n', "line 2: expected CSV"),
    ],
)
def test_what_is_no_customer_list_is_refused_by_line_and_not_by_content(body: bytes, reason: str) -> None:
    with pytest.raises(ListRefused, match=reason) as refused:
        parse_customers(body, SALT)
    assert "secret" not in str(refused.value)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"email,name\n" + rest))
def test_no_bytes_make_the_parser_fail_in_any_other_way(body: bytes) -> None:
    try:
        found = parse_customers(body, SALT)
    except ListRefused:
        return
    assert all("@" in email for email in found.emails)
