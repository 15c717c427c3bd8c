"""When the controller asks again."""

from hypothesis import given
from hypothesis import strategies as st

from coordinator.controller.patience import LONGEST, MOST, REFUSED_AGAIN, Patience


def waits(patience: Patience, subject: str, failures: int) -> list[float]:
    """How long it waits after each of so many failures that follow one another."""
    now, found = 0.0, []
    for _ in range(failures):
        patience.failed(subject, now)
        step = 0
        while not patience.due(subject, now + step):
            step += 1
        found.append(float(step))
        now += step
    return found


def test_it_waits_twice_as_long_after_each_failure_up_to_a_minute() -> None:
    assert [5, 10, 20, 40, LONGEST, LONGEST] == waits(Patience(5), "it", 6)


def test_what_works_again_is_asked_at_once_and_starts_anew() -> None:
    patience = Patience(5)
    waits(patience, "it", 4)
    patience.worked("it")
    assert patience.due("it", 0)
    assert [5] == waits(patience, "it", 1)


def test_what_is_refused_waits_longer_and_another_subject_does_not() -> None:
    patience = Patience(5)
    patience.refused("it", 100)
    assert (False, True) == (patience.due("it", 99 + REFUSED_AGAIN), patience.due("it", 100 + REFUSED_AGAIN))
    assert patience.due("another", 100)


@given(st.floats(0.1, 3600))
def test_whoever_asks_seldom_anyway_never_asks_more_often_for_a_failure(first: float) -> None:
    patience = Patience(first)
    for _ in range(10):
        patience.failed("it", 0)
    assert not patience.due("it", first * 0.99)


def test_it_remembers_a_bounded_number_of_subjects() -> None:
    patience = Patience(5)
    for number in range(MOST + 1):
        patience.failed(number, 0)
    assert (True, False, False) == (patience.due(0, 0), patience.due(1, 0), patience.due(MOST, 0))
