"""What people and scripts get of a run."""

import json
from dataclasses import replace
from xml.etree import ElementTree

from bench.document import as_json
from bench.figures import Figures
from bench.plot import draw
from bench.report import Run, as_markdown, table


def test_the_document_has_every_key_that_scripts_rely_on(run: Run, figures: Figures) -> None:
    document = json.loads(json.dumps(as_json(run, figures)))

    assert {"unit_ms", "activation", "growth", "past", "memory"} <= document.keys()
    assert {
        "marbles": 10,
        "secrets": 0,
        "limits": False,
        "clients": 8,
        "cpu_ms": 4.4,
        "units": 4.0,
        "per_second": 180.0,
        "p50_ms": 40.0,
        "p99_ms": 70.0,
    }.items() <= document["activation"][0].items()


def test_a_past_is_shown_with_how_it_was_made(run: Run, figures: Figures) -> None:
    assert [0, 100_000] == [row["recorded"] for row in json.loads(json.dumps(as_json(run, figures)))["past"]]
    shown = as_markdown(run, figures)
    assert "| 100000          | 4.70   | 4.3 |" in shown
    assert "without network, verification and certificates" in shown


def test_verification_is_shown_cold_and_warm_beside_the_reference_of_the_same_run(run: Run, figures: Figures) -> None:
    shown = as_markdown(run, figures)
    assert "| sgx      | 4.00 | 2.00        | 1.00          | 0.9 | 250 / 500 / 1000 | dcap-qvl 3.00 |" in shown
    assert "| nitro    | 5.00 | 5.00        | 1.10          | 1.0 | 200 / 200 / 909  |               |" in shown
    (sgx, nitro) = json.loads(json.dumps(as_json(run, figures)))["verification"]
    assert ("dcap-qvl", 3.0, 4.0, 1.0) == (sgx["reference"], sgx["reference_ms"], sgx["cold_ms"], sgx["cpu_ms"])
    assert ("", None) == (nitro["reference"], nitro["reference_ms"])


def test_the_peers_figures_are_never_shown_as_measured(run: Run, figures: Figures) -> None:
    assert "not measured in this run" in as_markdown(run, figures)
    assert "not measured here" in draw(figures)
    assert "not measured in this run" in json.dumps(as_json(run, figures))


def test_a_profiled_run_says_that_its_figures_are_worthless(run: Run, figures: Figures) -> None:
    assert "compare nothing with it" in as_markdown(replace(run, profiled=True), figures)
    assert "compare nothing with it" not in as_markdown(run, figures)


def test_the_machine_is_described_with_the_speed_of_its_python(run: Run, figures: Figures) -> None:
    assert "Python 3.11 (its loop: 28.0 ms)" in as_markdown(run, figures)


def test_the_columns_of_a_table_are_aligned() -> None:
    lines = table(("a", "long"), [("1", "2"), ("333", "4")]).splitlines()

    assert lines == ["| a   | long |", "| --- | ---- |", "| 1   | 2    |", "| 333 | 4    |"]


def test_the_picture_is_well_formed_and_shows_both_halves(figures: Figures) -> None:
    picture = ElementTree.fromstring(draw(figures))
    words = " ".join(text.text or "" for text in picture.iter("{http://www.w3.org/2000/svg}text"))

    assert "Server CPU per activation" in words
    assert "Resident memory" in words
    assert "5,000" in words
