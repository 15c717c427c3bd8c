"""What a pod gets that asks to be a marble, and what it asks in vain (contract 7.3, and our labels)."""

from dataclasses import replace
from typing import Any

import pytest

from attestation.init_data import ANNOTATION, ANNOTATIONS, from_annotation, make_init_data, to_annotation
from coordinator.admission.init_data import init_data_of
from coordinator.admission.mutate import inject
from coordinator.admission.pod import Refusal
from coordinator.admission.settings import Injection
from marble.bootstrap import Bootstrap, read_bootstrap
from tests.admission.pods import SETTINGS, applied, pod, variables

SIMULATED = replace(SETTINGS, simulation_secret="enclasp-simulation")


def injected(document: dict[str, Any], settings: Any = SETTINGS) -> dict[str, Any]:
    return applied(document, inject(document, namespace="shop", settings=settings))


def refused(document: dict[str, Any], settings: Any = SETTINGS) -> Refusal:
    with pytest.raises(Refusal) as caught:
        inject(document, namespace="shop", settings=settings)
    return caught.value


def test_a_pod_with_marbleruns_labels_gets_what_marblerun_gives_it() -> None:
    main = injected(pod({"marblerun/marbletype": "Front"}))["spec"]["containers"][0]
    assert {
        "EDG_MARBLE_COORDINATOR_ADDR": "coordinator-mesh-api.enclasp:2001",
        "EDG_MARBLE_TYPE": "Front",
        "EDG_MARBLE_DNS_NAMES": "front,front.shop,front.shop.svc.cluster.local",
        "EDG_MARBLE_UUID_FILE": "/Front-uid/uuid-file",
    } == variables(main)
    assert ["/Front-uid"] == [mount["mountPath"] for mount in main["volumeMounts"]]
    amounts = {"sgx.intel.com/epc": "10Mi", "sgx.intel.com/enclave": "1", "sgx.intel.com/provision": "1"}
    assert {"limits": amounts, "requests": amounts} == main["resources"]


def test_our_labels_say_the_same() -> None:
    assert injected(pod({"marblerun/marbletype": "a"}))["spec"] == injected(pod({"enclasp/marble": "a"}))["spec"]


def test_the_uuid_is_the_pods_own() -> None:
    volumes = injected(pod({"enclasp/marble": "a"}))["spec"]["volumes"]
    assert "metadata.uid" == volumes[0]["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"]


def test_a_pod_without_a_label_stays_as_it_is() -> None:
    assert () == inject(pod({"app": "web"}), namespace="shop", settings=SETTINGS)
    assert () == inject({**pod({}), "metadata": {}}, namespace="shop", settings=SETTINGS)


def test_what_the_pod_sets_itself_is_kept() -> None:
    own = [{"name": "EDG_MARBLE_COORDINATOR_ADDR", "value": "other:1"}]
    main = {"name": "main", "env": own, "resources": {"limits": {"sgx.intel.com/epc": "99Mi"}}}
    changed = injected(pod({"enclasp/marble": "a"}, main))["spec"]["containers"][0]
    assert "other:1" == variables(changed)["EDG_MARBLE_COORDINATOR_ADDR"]
    assert "99Mi" == changed["resources"]["limits"]["sgx.intel.com/epc"]
    assert "99Mi" == changed["resources"]["requests"]["sgx.intel.com/epc"], "the API server wants both to be equal"


def test_a_container_that_mounts_its_own_uuid_takes_none_from_its_neighbour() -> None:
    own = {"name": "own", "volumeMounts": [{"name": "mine", "mountPath": "/a-uid/"}]}
    changed = injected(pod({"enclasp/marble": "a"}, {"name": "first"}, own, volumes=[{"name": "mine", "emptyDir": {}}]))
    assert ["enclasp-uuid"] == [mount["name"] for mount in changed["spec"]["containers"][0]["volumeMounts"]]
    assert ["mine"] == [mount["name"] for mount in changed["spec"]["containers"][1]["volumeMounts"]]
    assert ["mine", "enclasp-uuid"] == [volume["name"] for volume in changed["spec"]["volumes"]]


def test_all_containers_are_marbles_but_those_that_run_before_them() -> None:
    changed = injected(pod({"enclasp/marble": "a"}, {"name": "x"}, {"name": "y"}, initContainers=[{"name": "z"}]))
    assert ["env" in each for each in changed["spec"]["containers"]] == [True, True]
    assert [{"name": "z"}] == changed["spec"]["initContainers"]


@pytest.mark.parametrize("label", ["enclasp/container", "marblerun/marblecontainer"])
def test_a_label_chooses_the_one_container(label: str) -> None:
    changed = injected(pod({"enclasp/marble": "a", label: "y"}, {"name": "x"}, {"name": "y"}))
    assert ["env" in each for each in changed["spec"]["containers"]] == [False, True]


def test_a_container_that_runs_before_the_others_can_be_chosen() -> None:
    sidecar = {"name": "z", "restartPolicy": "Always", "command": ["serve"]}
    labels = {"enclasp/marble": "a", "enclasp/container": "z", "enclasp/launcher": "inject"}
    changed = injected(pod(labels, {"name": "x"}, initContainers=[sidecar]))
    laid, marble = changed["spec"]["initContainers"]
    assert ("enclasp-launcher", "z", "serve") == (laid["name"], marble["name"], marble["command"][-1])


def test_resource_injection_can_be_turned_off() -> None:
    for label in ("enclasp/resource-injection", "marblerun/resource-injection"):
        spec = injected(pod({"enclasp/marble": "a", label: "disabled"}))["spec"]
        assert ("resources" in spec["containers"][0], "tolerations" in spec) == (False, False)
    assert "resources" in injected(pod({"enclasp/marble": "a"}))["spec"]["containers"][0]


def test_another_clusters_sgx_resource_is_asked_for_by_its_name() -> None:
    spec = injected(pod({"enclasp/marble": "a"}), replace(SETTINGS, sgx_resource="alibabacloud.com/sgx_epc_MiB"))[
        "spec"
    ]
    assert {"alibabacloud.com/sgx_epc_MiB": "10"} == spec["containers"][0]["resources"]["limits"]
    assert "alibabacloud.com/sgx_epc_MiB" == spec["tolerations"][0]["key"]


def test_a_nitro_marble_gets_the_device_and_keeps_its_huge_pages() -> None:
    main = {"name": "main", "resources": {"limits": {"hugepages-2Mi": "512Mi"}}}
    given = injected(pod({"enclasp/marble": "a", "enclasp/platform": "nitro"}, main))["spec"]["containers"][0][
        "resources"
    ]
    assert {"hugepages-2Mi": "512Mi", "aws.ec2.nitro/nitro_enclaves": "1"} == given["limits"]
    assert "1" == given["requests"]["aws.ec2.nitro/nitro_enclaves"]


def test_a_tdx_marble_gets_the_runtime_class_unless_it_has_one() -> None:
    labels = {"enclasp/marble": "a", "enclasp/platform": "tdx"}
    assert "kata-qemu-tdx" == injected(pod(labels))["spec"]["runtimeClassName"]
    assert "own" == injected(pod(labels, runtimeClassName="own"))["spec"]["runtimeClassName"]
    assert "runtimeClassName" not in injected(pod({**labels, "enclasp/platform": "none"}))["spec"]


def test_on_simulated_hardware_a_pod_gets_the_simulated_vendor_and_no_device() -> None:
    spec = injected(pod({"enclasp/marble": "a", "enclasp/platform": "tdx"}), SIMULATED)["spec"]
    main = spec["containers"][0]
    assert ("/run/enclasp/simulation", "tdx") == (
        variables(main)["ENCLASP_SIMULATION"],
        variables(main)["ENCLASP_SIMULATION_KIND"],
    )
    assert ("resources" in main, "runtimeClassName" in spec, "tolerations" in spec) == (False, False, False)


KATA = replace(SETTINGS, runtime_classes={"tdx": "kata-qemu-tdx", "sev-snp": "kata-qemu-snp"}, init_data={"x": "y"})
TOLD = {"enclasp/marble": "a", "enclasp/platform": "tdx"}


def test_a_kata_pod_is_told_at_launch_who_it_is_and_the_launcher_gets_a_copy() -> None:
    changed = injected(pod(TOLD), KATA)
    init_data = from_annotation(changed["metadata"]["annotations"][ANNOTATION])
    assert Bootstrap("coordinator-mesh-api.enclasp:2001", "a") == read_bootstrap(init_data)
    assert "y" == init_data.data["x"]
    assert init_data == init_data_of("coordinator-mesh-api.enclasp:2001", "a", {"x": "y"})
    main = changed["spec"]["containers"][0]
    assert "/run/enclasp/init-data/annotation" == variables(main)["ENCLASP_INIT_DATA"]
    assert "ENCLASP_SIMULATION_HOST_DATA" not in variables(main)
    volume = next(each for each in changed["spec"]["volumes"] if each["name"] == "enclasp-init-data")
    assert f"metadata.annotations['{ANNOTATION}']" == volume["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"]


@pytest.mark.parametrize(
    ("labels", "spec", "settings"),
    [
        ({**TOLD, "enclasp/platform": "sgx"}, {"runtimeClassName": "kata-qemu-tdx"}, KATA),
        (TOLD, {"runtimeClassName": "gvisor"}, KATA),
        ({**TOLD, "enclasp/resource-injection": "disabled"}, {}, KATA),
        (TOLD, {}, replace(KATA, init_data=None)),
    ],
    ids=["sgx", "no-kata", "no-class", "off"],
)
def test_only_virtual_machines_that_are_measured_with_it_get_init_data(
    labels: dict[str, str], spec: dict[str, Any], settings: Injection
) -> None:
    assert "annotations" not in injected(pod(labels, **spec), settings)["metadata"]


def test_a_pods_own_init_data_is_kept_and_goes_to_the_launcher_if_it_is_for_this_marble() -> None:
    own = to_annotation(init_data_of("coordinator-mesh-api.enclasp:2001", "a", {"policy.rego": "package agent_policy"}))
    for name in ANNOTATIONS:
        document = pod(TOLD)
        document["metadata"]["annotations"] = {name: own}
        changed = injected(document, KATA)
        assert {name: own} == changed["metadata"]["annotations"]
        assert name in str(changed["spec"]["volumes"])
    document["metadata"]["annotations"] = {ANNOTATION: to_annotation(make_init_data({"aa.toml": ""}))}
    changed = injected(document, KATA)
    assert "ENCLASP_INIT_DATA" not in variables(changed["spec"]["containers"][0])


@pytest.mark.parametrize(
    ("annotation", "settings", "code", "words"),
    [
        ("%", KATA, "K690", "base64 of gzip"),
        (to_annotation(make_init_data({"enclasp.toml": "x = 1"})), KATA, "K690", "coordinator and type"),
        (to_annotation(init_data_of(SETTINGS.coordinator, "b", {})), KATA, "K691", "marble 'a' and coordinator"),
        (to_annotation(init_data_of("other:2001", "a", {})), KATA, "K691", "'other:2001'"),
        (None, replace(KATA, init_data={"enclasp.toml": ""}), "K692", "left to the webhook"),
    ],
    ids=["unreadable", "odd-entry", "other-marble", "other-coordinator", "name-taken"],
)
def test_init_data_that_does_not_fit_the_pod_is_refused(
    annotation: str | None, settings: Injection, code: str, words: str
) -> None:
    document = pod(TOLD)
    if annotation is not None:
        document["metadata"]["annotations"] = {ANNOTATION: annotation}
    refusal = refused(document, settings)
    assert (code, True) == (refusal.code, words in str(refusal)), str(refusal)


def test_the_launcher_is_laid_by_an_init_container_and_stands_before_the_program() -> None:
    labels = {"enclasp/marble": "a", "enclasp/launcher": "inject"}
    main = {"name": "main", "image": "web:1", "command": ["/web", "--port"], "args": ["80"]}
    spec = injected(pod(labels, main, initContainers=[{"name": "before"}]))["spec"]
    assert ["enclasp-launcher", "before"] == [each["name"] for each in spec["initContainers"]]
    assert "localhost/enclasp:0.1.0" == spec["initContainers"][0]["image"]
    changed = spec["containers"][0]
    assert ["--", "/web", "--port"] == changed["command"][-3:]
    assert (["80"], "web:1") == (changed["args"], changed["image"])


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        (pod({"enclasp/marble": ""}), "K601", ["'web-*'", "enclasp/marble"]),
        (pod({"enclasp/marble": "a", "marblerun/marbletype": "b"}), "K602", ["'a'", "'b'"]),
        (pod({"enclasp/marble": "a", "enclasp/container": "x"}), "K603", ["main", "'x'"]),
        (pod({"enclasp/marble": "a", "enclasp/platform": "z80"}), "K604", ["sgx or tdx", "'z80'"]),
        (pod({"enclasp/marble": "a", "enclasp/resource-injection": "no"}), "K604", ["disabled", "'no'"]),
        (pod({"enclasp/marble": "a", "enclasp/launcher": "yes"}), "K604", ["inject", "'yes'"]),
        (pod({"enclasp/marble": "a", "enclasp/platform": "sev-snp"}), "K605", ["sev-snp"]),
        (pod({"enclasp/marble": "a", "enclasp/launcher": "inject"}), "K606", ["'main'", "command"]),
        (
            pod({"enclasp/marble": "a"}, volumes=[{"name": "enclasp-uuid", "emptyDir": {}}]),
            "K607",
            ["'enclasp-uuid'", "downwardAPI", "emptyDir"],
        ),
        (
            pod(
                {"enclasp/marble": "a", "enclasp/launcher": "inject"},
                {"name": "m", "command": ["x"], "volumeMounts": [{"name": "v", "mountPath": "/enclasp"}]},
            ),
            "K607",
            ["'m'", "/enclasp"],
        ),
    ],
)
def test_a_pod_that_asks_for_what_cannot_be_is_told_why(document: dict[str, Any], code: str, words: list[str]) -> None:
    refusal = refused(document)
    assert code == refusal.code
    assert [] == [word for word in words if word not in str(refusal)], str(refusal)


def test_without_a_launcher_image_nobody_gets_the_launcher() -> None:
    document = pod({"enclasp/marble": "a", "enclasp/launcher": "inject"}, {"name": "m", "command": ["x"]})
    assert "K606" == refused(document, replace(SETTINGS, launcher_image="")).code
    assert injected(document)
