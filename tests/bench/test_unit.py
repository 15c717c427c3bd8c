"""The unit that makes runs comparable."""

import time

from bench.unit import UnitMeter


def test_the_unit_is_sampled_while_the_work_runs() -> None:
    unit = UnitMeter()
    with unit.beside():
        time.sleep(0.3)

    assert 1 <= len(unit.samples) <= 6
    assert 0.1 < unit.milliseconds() < 50


def test_only_the_samples_of_a_measurement_count_for_it() -> None:
    unit = UnitMeter([1000.0] * 50)
    begun = len(unit.samples)
    unit.sample(3)

    assert unit.milliseconds(begun) < 50
    assert 1000.0 == unit.milliseconds()
