"""What the chart renders, by the real Helm, and what the real API server says to it."""

from pathlib import Path

import pytest
import yaml

from attestation.init_data import ANNOTATION, make_init_data, to_annotation
from tests.charts.test_values import MARBLERUN
from tests.docs.ingress_blocks import objects
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


def test_the_api_server_takes_what_prometheus_is_given(kubernetes: Kubernetes) -> None:
    """By the operator's own definitions."""
    definitions = ROOT / "tests" / "vectors" / "prometheus_operator"
    names = ["crd/servicemonitors.monitoring.coreos.com", "crd/prometheusrules.monitoring.coreos.com"]
    kubernetes.kubectl("apply", "--server-side", "-f", str(definitions))
    try:
        kubernetes.kubectl("wait", "--for=condition=Established", *names)
        kinds = "serviceMonitor", "rules", "dashboard"
        chosen = [word for kind in kinds for word in ("--set", f"monitoring.{kind}=true")]
        given = ["--set", "coordinator.prometheusPort=9944", "--set", "monitoring.labels.release=prometheus", *chosen]
        command = ["helm", "template", "it", "charts/coordinator", "--namespace", "default"]
        rendered = kubernetes.run(*command, *given)
        said = kubernetes.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", text=rendered)
        for kind in ("servicemonitor.monitoring.coreos.com", "prometheusrule.monitoring.coreos.com", "configmap"):
            assert f"{kind}/" in said
        refused = kubernetes.run(*command, *chosen, code=1)
        assert "need coordinator.prometheusPort" in refused
        assert "kind: ServiceMonitor" not in kubernetes.run(*command)
    finally:
        kubernetes.kubectl("delete", *names)


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


def test_a_coordinator_in_a_virtual_machine_is_told_its_init_data(kubernetes: Kubernetes, tmp_path: Path) -> None:
    told = to_annotation(make_init_data({"policy.rego": "package agent_policy\n"}))
    (tmp_path / "annotation").write_text(told + "\n")
    tdx = ["-f", "charts/coordinator/environments/tdx.yaml"]
    given = ["--set-file", f"coordinator.initData={tmp_path}/annotation"]
    command = ["helm", "template", "x", "charts/coordinator", "--show-only", "templates/coordinator.yaml", *given]
    objects = yaml.safe_load_all(kubernetes.run(*command, *tdx))
    (pod,) = (each["spec"]["template"] for each in objects if each["kind"] == "Deployment")
    assert told == pod["metadata"]["annotations"][ANNOTATION]
    container, volumes = pod["spec"]["containers"][0], {each["name"]: each for each in pod["spec"]["volumes"]}
    file = next(each["value"] for each in container["env"] if each["name"] == "ENCLASP_INIT_DATA")
    mount = next(each for each in container["volumeMounts"] if each["name"] == "init-data")
    (item,) = volumes["init-data"]["downwardAPI"]["items"]
    assert (file, f"metadata.annotations['{ANNOTATION}']") == (
        f"{mount['mountPath']}/{item['path']}",
        item["fieldRef"]["fieldPath"],
    )
    assert "is for a coordinator.runtimeClassName of Kata" in kubernetes.run(*command, code=1)
    install = ["helm", "install", "x", "charts/coordinator", "--dry-run=client", *tdx]
    assert "NOT MEASURED" in kubernetes.run(*install)
    assert "NOT MEASURED" not in kubernetes.run(*install, *given)


def test_the_api_server_takes_the_objects_of_the_page_on_ingress(kubernetes: Kubernetes) -> None:
    known = [*objects("ingress"), *objects("load-balancer")]
    for each in known:
        each["metadata"]["namespace"] = "default"
    document = yaml.safe_dump_all(known)
    kubernetes.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", text=document)
