"""What the chart renders, by the real Helm, and what the real API server says to it."""

from pathlib import Path

import pytest

from tests.charts.test_values import MARBLERUN
from tests.kubernetes.conftest import ROOT, Kubernetes
from tests.kubernetes.release import FILE, release


@pytest.mark.parametrize(
    "options",
    [
        (),
        *(("-f", str(path)) for path in sorted((ROOT / "charts" / "coordinator" / "environments").iterdir())),
        ("-f", "MARBLERUN"),
        ("--set", "coordinator.prometheusPort=9944", "--set", "coordinator.podDisruptionBudget=true"),
        ("--set", "controller.start=true,coordinator.simulation=true"),
        ("--set", "controller.start=true,controller.definitions=false,coordinator.collateralConfigMap=collateral"),
        ("--set", "marbleInjector.start=false,networkPolicy=false,coordinator.persistence=false"),
        ("--set", "global.pullSecret=mine,coordinator.collateralConfigMap=collateral,coordinator.hostname=a\\,b"),
    ],
    ids=lambda options: Path(options[-1]).stem[:30] if options else "default",
)
def test_the_api_server_takes_what_the_chart_renders(
    kubernetes: Kubernetes, tmp_path: Path, options: tuple[str, ...]
) -> None:
    marblerun = tmp_path / "marblerun.yaml"
    marblerun.write_text(MARBLERUN)
    given = [str(marblerun) if option == "MARBLERUN" else option for option in options]
    rendered = kubernetes.run("helm", "template", "rendered", "charts/coordinator", "--namespace", "default", *given)
    kubernetes.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", text=rendered)


def test_marbleruns_values_without_a_meaning_are_named(kubernetes: Kubernetes, tmp_path: Path) -> None:
    marblerun = tmp_path / "marblerun.yaml"
    marblerun.write_text(MARBLERUN)
    command = ["helm", "install", "x", "charts/coordinator", "--dry-run=client", "-f", str(marblerun)]
    said = kubernetes.run(*command)
    for name in ("dcap", "coordinator.storeBackend", "marbleInjector.objectSelector", "global.createdBy"):
        assert f"  {name}" in said.partition("WARNING")[2], name
    assert "WARNING" not in kubernetes.run("helm", "install", "x", "charts/coordinator", "--dry-run=client")


def test_the_release_file_is_what_the_chart_renders(kubernetes: Kubernetes) -> None:
    assert FILE.read_text() == release(str(kubernetes.cluster.programs / "helm"))


def test_the_api_server_takes_the_release_file(kubernetes: Kubernetes) -> None:
    kubernetes.kubectl("create", "namespace", "enclasp")
    try:
        kubernetes.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(FILE))
    finally:
        kubernetes.kubectl("delete", "namespace", "enclasp")
