"""The generator: same seed, same bytes, and exactly the promised overlap."""

import pytest

from examples.common_customers.generate import generate
from examples.common_customers.intersection import intersect, parse_customers


def test_the_same_seed_gives_the_same_lists_and_another_seed_does_not() -> None:
    assert generate(100, 10, seed=1) == generate(100, 10, seed=1)
    assert generate(100, 10, seed=1) != generate(100, 10, seed=2)


@pytest.mark.parametrize(("rows", "common"), [(0, 0), (1, 0), (1, 1), (500, 0), (500, 123), (500, 500)])
def test_exactly_the_promised_customers_are_common(rows: int, common: int) -> None:
    lists = generate(rows, common, seed=7)
    both = {name: parse_customers(text.encode(), b"") for name, text in (("alice", lists.alice), ("bob", lists.bob))}
    assert (rows, rows) == tuple(len(each.emails) for each in both.values())
    assert common == len(lists.common)
    assert "".join(f"{email}\n" for email in lists.common).encode() == intersect(both)


def test_more_common_customers_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 to 5, got 6"):
        generate(5, 6)
