"""docs/scale.md shows the last run of `./dev bench-scale`, and no other figures in its tables."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tables_are_those_of_the_last_run() -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    shown = page.partition("-->\n")[2].partition("<!-- measured: end -->")[0]
    measured = (ROOT / "bench" / "results" / "scale.md").read_text()
    assert measured.replace("\n## ", "\n### ").strip() == shown.strip()
