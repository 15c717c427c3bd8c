"""The notary signs what it understands, and its store shows every change of a byte."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.common_customers.intersection import CustomerList, statement
from examples.common_customers.receipts import StatementRefused, Store, StoreDamaged, parse_statement

DIGEST = "ab" * 32
GOOD: dict[str, Any] = {
    "lists": {name: {"customers": 3, "commitment": DIGEST} for name in ("alice", "bob")},
    "common": {"customers": 1, "sha256": DIGEST},
}


def test_what_the_intersection_says_is_what_the_receipts_service_understands() -> None:
    lists = {name: CustomerList(frozenset({"a@b"}), DIGEST) for name in ("alice", "bob")}
    read = parse_statement(statement(lists, b"a@b\n"))
    assert read["lists"]["bob"] == {"customers": 1, "commitment": DIGEST}
    assert read["common"]["customers"] == 1


@pytest.mark.parametrize(
    "changed",
    [
        [],
        {**GOOD, "more": 1},
        {"lists": GOOD["lists"]},
        {**GOOD, "lists": {"alice": GOOD["lists"]["alice"]}},
        {**GOOD, "common": {"customers": True, "sha256": DIGEST}},
        {**GOOD, "common": {"customers": -1, "sha256": DIGEST}},
        {**GOOD, "common": {"customers": 1, "sha256": DIGEST.upper()}},
        {**GOOD, "common": {"customers": 1, "sha256": DIGEST, "names": "x"}},
    ],
)
def test_a_statement_of_another_shape_is_refused(changed: object) -> None:
    with pytest.raises(StatementRefused):
        parse_statement(json.dumps(changed).encode())
    assert parse_statement(json.dumps(GOOD).encode()) == GOOD


def test_a_deeply_nested_or_huge_statement_is_refused() -> None:
    for raw in (b"[" * 4096, json.dumps({**GOOD, "more": "x" * 5000}).encode()):
        with pytest.raises(StatementRefused):
            parse_statement(raw)


@settings(max_examples=50, deadline=None)
@given(
    st.binary(max_size=100)
    | st.recursive(
        st.none() | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(["lists", "common", "customers", "sha256", "commitment", "a", "b"]), inner
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_bytes_make_the_parser_fail_in_any_other_way(raw: bytes) -> None:
    try:
        parse_statement(raw)
    except StatementRefused:
        return


def test_a_kept_receipt_is_read_by_a_new_instance_with_the_same_key(tmp_path: Path) -> None:
    Store(tmp_path, bytes(32)).keep(1, b"receipt", bytes(12))
    assert Store(tmp_path, bytes(32)).numbers() == (1,)
    assert Store(tmp_path, bytes(32)).read(1) == b"receipt"
    assert b"receipt" not in (tmp_path / "receipt-000001.sealed").read_bytes()


def test_a_number_is_never_written_twice(tmp_path: Path) -> None:
    store = Store(tmp_path, bytes(32))
    store.keep(1, b"receipt", bytes(12))
    with pytest.raises(FileExistsError):
        store.keep(1, b"another", bytes(12))


def test_a_changed_renamed_or_foreign_receipt_is_found_out(tmp_path: Path) -> None:
    store = Store(tmp_path, bytes(32))
    store.keep(1, b"receipt", bytes(12))
    sealed = (tmp_path / "receipt-000001.sealed").read_bytes()
    for number, raw in ((1, sealed[:-1] + bytes([sealed[-1] ^ 1])), (1, sealed[:8]), (2, sealed)):
        (tmp_path / f"receipt-{number:06d}.sealed").write_bytes(raw)
        with pytest.raises(StoreDamaged):
            store.read(number)
    with pytest.raises(StoreDamaged):
        Store(tmp_path, bytes([1]) * 32).read(1)
