"""What becomes of each thing that stands in Kubernetes objects."""

import hashlib
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.init_data import make_init_data, to_annotation
from coordinator.cli.check import check_document
from coordinator.draft.kubernetes.convert import Converted, NoWorkload, convert
from coordinator.draft.kubernetes.objects import read_application
from coordinator.draft.kubernetes.tree import NotReadable, Source
from coordinator.draft.render import render
from coordinator.manifest.errors import Severity
from tests.support.answers import answered
from tests.support.manifest_gallery import NOON

DIGEST = "sha256:" + "1" * 64


def converted(text: str) -> Converted:
    application = read_application([Source("x.yaml", text.encode())])
    return convert(application, platforms=(), measured={}, origin="x.yaml")


def drafted(*objects: dict[str, Any]) -> dict[str, Any]:
    """The draft of these objects as data; the whole text passes when its questions are answered."""
    result = converted(yaml.safe_dump_all(objects))
    text = render(result.draft)
    said = check_document(answered(text).encode(), name="x", compatible=False, now=NOON, remarks=True)
    assert [] == [finding for finding in said if finding.severity is not Severity.INFO]
    document: dict[str, Any] = yaml.safe_load(text)
    document["remarks"] = [f"{remark.where}: {remark.text}" for remark in result.remarks]
    document["text"] = text
    return document


def pod(
    name: str = "web", labels: dict[str, str] | None = None, spec: dict[str, Any] | None = None, **container: Any
) -> dict[str, Any]:
    """A pod with one container on TDX."""
    one = {"name": name, "image": f"x/{name}@{DIGEST}", "command": [name], **container}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"app": name}},
        "spec": {"runtimeClassName": "kata-qemu-tdx", "containers": [one], **(spec or {})},
    }


def environment(*variables: dict[str, Any], **container: Any) -> dict[str, Any]:
    """A pod with these variables."""
    return pod(env=list(variables), **container)


def parameters(document: dict[str, Any], marble: str = "web") -> dict[str, Any]:
    found: dict[str, Any] = document["Marbles"][marble].get("Parameters", {})
    return found


SECRET = {"kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "hunter2hunter2", "user": "app"}}


# Variables


def test_plain_variables_are_taken_over() -> None:
    document = drafted(environment({"name": "MODE", "value": "fast"}, {"name": "EMPTY"}, {"name": "N", "value": "08"}))
    assert {"MODE": "fast", "EMPTY": "", "N": "08"} == parameters(document)["Env"]


def test_a_text_with_what_only_the_host_knows_is_a_question() -> None:
    name = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    document = drafted(environment(name, {"name": "NODE", "value": "rabbit@$(POD).q"}, args=["--node", "$(POD)"]))
    asked = "DECIDE: only the host knows $(POD), so write what stands for it"
    assert {"NODE": f"{asked}: rabbit@$(POD).q"} == parameters(document)["Env"]
    assert ["web", "--node", f"{asked}: $(POD)"] == parameters(document)["Argv"]


def test_a_password_beside_what_only_the_host_knows_is_not_copied() -> None:
    name = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    document = drafted(environment(name, {"name": "URL", "value": "amqp://u:hunter2hunter2@$(POD)/"}))
    assert "hunter2" not in document["text"]
    assert "only the host knows $(POD)" in parameters(document)["Env"]["URL"]


def test_a_reference_that_kubernetes_leaves_as_text_is_said() -> None:
    document = drafted(environment({"name": "A", "value": "<$(B)>"}, {"name": "B", "value": "b"}))
    assert {"A": "<$(B)>", "B": "b"} == parameters(document)["Env"]
    assert any("$(B) in A stays as it stands" in remark for remark in document["remarks"])
    in_order = drafted(environment({"name": "B", "value": "b"}, {"name": "A", "value": "<$(B)>"}))
    assert not any("stays as it stands" in remark for remark in in_order["remarks"])


def test_a_long_question_is_found_whole() -> None:
    result = converted(yaml.safe_dump(pod(image=f"registry.example/{'a' * 60}/{'b' * 30}:latest")))
    said = check_document(render(result.draft).encode(), name="x", compatible=False, now=NOON, remarks=True)
    (pin,) = [finding.message for finding in said if "has no digest" in finding.message]
    assert pin.endswith("so it may be another one tomorrow: pin it, and measure that one")


def test_whatever_has_a_template_of_pods_where_deployments_have_it_starts_pods() -> None:
    template = {key: value for key, value in pod("shop").items() if key != "kind"}
    rollout = {"kind": "Rollout", "metadata": {"name": "shop"}, "spec": {"replicas": 2, "template": template}}
    document = drafted(rollout)
    assert 2 == document["Marbles"]["shop"]["MaxActivations"]
    assert not any("has no word for it" in remark for remark in document["remarks"])


def test_text_with_braces_means_the_same_text() -> None:
    document = drafted(environment({"name": "T", "value": "{{ .x }}"}))
    assert {"Data": "{{ .x }}", "NoTemplates": True} == parameters(document)["Env"]["T"]


def reference(name: str, key: str, variable: str = "V") -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


def test_a_password_between_services_is_made_anew_and_its_value_is_nowhere() -> None:
    document = drafted(SECRET, environment(reference("db", "password", "DB_PASSWORD")))
    assert "{{ hex .Secrets.dbPassword }}" == parameters(document)["Env"]["DB_PASSWORD"]
    assert {"Type": "symmetric-key", "Size": 256, "Shared": True} == document["Secrets"]["dbPassword"]
    assert "hunter2" not in document["text"]


@pytest.mark.parametrize("key", ["stripe-api-key", "github-token", "username", "aws-secret-access-key", "license"])
def test_what_somebody_else_gave_is_set_by_a_user(key: str) -> None:
    document = drafted(environment(reference("outside", key)))
    ((name, secret),) = document["Secrets"].items()
    assert ({"Type": "plain", "UserDefined": True}, "{{ string .Secrets." + name + " }}") == (
        secret,
        parameters(document)["Env"]["V"],
    )
    assert [name] == document["Roles"]["secret-writer"]["ResourceNames"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PASSWORD", "hunter2hunter2"),
        ("SESSION_SECRET", "hunter2hunter2"),
        ("DATABASE_URL", "postgres://app:hunter2hunter2@db:5432/app"),
        ("KEY_PEM", "-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n-----END PRIVATE KEY-----\n"),
        ("STRIPE_TOKEN", "hunter2hunter2"),
    ],
)
def test_a_secret_in_the_open_is_never_copied(name: str, value: str) -> None:
    document = drafted(environment({"name": name, "value": value}))
    assert "hunter2" not in document["text"]
    assert ".Secrets." in parameters(document)["Env"][name]
    assert "x.yaml:" in document["text"]


def test_the_same_password_in_two_places_is_one_secret() -> None:
    url = {"name": "URL", "value": "redis://:hunter2hunter2@cache:6379"}
    document = drafted(
        environment({"name": "REDIS_PASSWORD", "value": "hunter2hunter2"}),
        {**environment(url), "metadata": {"name": "api"}},
    )
    assert ["redisPassword"] == list(document["Secrets"])
    assert "redis://:{{ hex .Secrets.redisPassword }}@cache:6379" == parameters(document, "api")["Env"]["URL"]


def test_references_between_variables_are_resolved_as_kubernetes_does() -> None:
    document = drafted(
        SECRET,
        environment(
            {"name": "HOST", "value": "db"},
            reference("db", "password", "PW"),
            {"name": "URL", "value": "x://u:$(PW)@$(HOST)/$$(HOST)/$(LATER)"},
            {"name": "LATER", "value": "1"},
        ),
    )
    assert "x://u:{{ hex .Secrets.dbPassword }}@db/$(HOST)/$(LATER)" == parameters(document)["Env"]["URL"]


def test_config_maps_and_secrets_become_variables_whole() -> None:
    config = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"A": "1", "API_TOKEN": "hunter2hunter2"}}
    document = drafted(
        config, SECRET, pod(envFrom=[{"configMapRef": {"name": "c"}}, {"prefix": "DB_", "secretRef": {"name": "db"}}])
    )
    env = parameters(document)["Env"]
    assert ("1", {"A", "API_TOKEN", "DB_password", "DB_user"}) == (env["A"], set(env))
    assert "hunter2" not in document["text"]


def test_what_is_missing_is_a_decision() -> None:
    missing = {"name": "V", "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "k"}}}
    document = drafted(pod(envFrom=[{"secretRef": {"name": "absent"}}], env=[missing]))
    assert parameters(document)["Env"]["V"].startswith("DECIDE: key k of ConfigMap absent")
    assert "# DECIDE: Secret absent, whose keys become variables" in document["text"]


def test_what_only_the_host_knows_stays_there_and_is_said_with_its_line() -> None:
    field = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    document = drafted(environment(field, {"name": "EDG_MARBLE_TYPE", "value": "x"}, {"name": "A", "value": "1"}))
    assert {"A": "1"} == parameters(document)["Env"]
    assert any("variable IP (fieldRef): only the host knows it" in remark for remark in document["remarks"])
    assert any(remark.startswith("x.yaml:") and "EDG_MARBLE_TYPE" in remark for remark in document["remarks"])


# Arguments


def test_command_and_arguments_are_argv() -> None:
    document = drafted(
        pod(command=["python3", "-m"], args=["web", "--port=$(PORT)"], env=[{"name": "PORT", "value": "80"}])
    )
    assert ["python3", "-m", "web", "--port=80"] == parameters(document)["Argv"]


def test_arguments_without_a_command_need_the_images_program() -> None:
    argv = parameters(drafted(pod(command=[], args=["serve"])))["Argv"]
    assert (2, True, "serve") == (len(argv), argv[0].startswith("DECIDE: the program"), argv[1])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--requirepass", "hunter2hunter2"],
        ["--password=hunter2hunter2"],
        ["pg://u:hunter2hunter2@h/d"],
        ["-x", "$(PW)"],
    ],
)
def test_no_argument_holds_a_secret(arguments: list[str]) -> None:
    document = drafted(SECRET, pod(command=["web"], args=arguments, env=[reference("db", "password", "PW")]))
    assert parameters(document)["Argv"][-1].startswith("DECIDE: an argument cannot hold a secret")
    assert "hunter2" not in document["text"]


# Files


def mounted(volume: dict[str, Any], **mount: Any) -> dict[str, Any]:
    """A pod with one volume at /etc/v."""
    mounts = [{"name": "v", "mountPath": "/etc/v", **mount}]
    return pod(volumeMounts=mounts, spec={"volumes": [{"name": "v", **volume}]})


CONFIG = {
    "kind": "ConfigMap",
    "metadata": {"name": "c"},
    "data": {"a.conf": "x = 1\ny = 2\n", "b.conf": "{{ z }}"},
    "binaryData": {"logo": "AAH/"},
}


def test_config_maps_become_files() -> None:
    files = parameters(drafted(CONFIG, mounted({"configMap": {"name": "c"}})))["Files"]
    assert "x = 1\ny = 2\n" == files["/etc/v/a.conf"]
    assert {"Data": "{{ z }}", "NoTemplates": True} == files["/etc/v/b.conf"]
    assert {"Data": "AAH/", "Encoding": "base64", "NoTemplates": True} == files["/etc/v/logo"]


def test_items_and_sub_paths_choose_files() -> None:
    some = {"configMap": {"name": "c", "items": [{"key": "a.conf", "path": "sub/z"}]}}
    assert ["/etc/v/sub/z"] == list(parameters(drafted(CONFIG, mounted(some)))["Files"])
    part = mounted({"configMap": {"name": "c"}}, subPath="a.conf")
    assert ["/etc/v"] == list(parameters(drafted(CONFIG, part))["Files"])


def test_projected_volumes_are_their_parts() -> None:
    sources = [{"configMap": {"name": "c"}}, {"secret": {"name": "db"}}, {"serviceAccountToken": {"path": "token"}}]
    document = drafted(CONFIG, SECRET, mounted({"projected": {"sources": sources}}))
    files = parameters(document)["Files"]
    assert "{{ hex .Secrets.dbPassword }}" == files["/etc/v/password"]
    assert "{{ raw .Secrets.dbUser }}" == files["/etc/v/user"]
    assert any("serviceAccountToken" in remark for remark in document["remarks"])


def test_a_tls_secret_is_the_marbles_own_identity() -> None:
    tls = {
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "t"},
        "data": dict.fromkeys(["tls.crt", "tls.key", "ca.crt"], "eA=="),
    }
    files = parameters(drafted(tls, mounted({"secret": {"secretName": "t"}})))["Files"]
    assert "{{ pem .MarbleRun.MarbleCert.Private }}" == files["/etc/v/tls.key"]
    assert "{{ pem .MarbleRun.RootCA.Cert }}" == files["/etc/v/ca.crt"]


def test_a_file_with_a_secret_in_it_is_a_decision() -> None:
    config = {
        "kind": "ConfigMap",
        "metadata": {"name": "c"},
        "data": {"redis.conf": "port 1\nrequirepass hunter2hunter2\n"},
    }
    document = drafted(config, mounted({"configMap": {"name": "c"}}))
    assert parameters(document)["Files"]["/etc/v/redis.conf"].startswith("DECIDE: redis.conf of ConfigMap c")
    assert "hunter2" not in document["text"]


@pytest.mark.parametrize("kind", ["persistentVolumeClaim", "hostPath", "csi"])
def test_the_hosts_disk_is_a_decision(kind: str) -> None:
    assert f"# DECIDE: volume v at /etc/v is the host's ({kind})" in drafted(mounted({kind: {}}))["text"]
    assert "the host's" not in drafted(mounted({"emptyDir": {}}))["text"].replace("Kubernetes is the host's", "")


# Where it runs


@pytest.mark.parametrize(
    ("spec", "container", "section"),
    [
        ({"runtimeClassName": "kata-qemu-tdx"}, {}, "TDX"),
        ({"runtimeClassName": "kata-qemu-snp"}, {}, "SEVSNP"),
        ({"runtimeClassName": "kata-cc-isolation"}, {}, "SEVSNP"),
        ({"runtimeClassName": "contrast-cc-metal-qemu-snp-0123"}, {}, "SEVSNP"),
        ({"runtimeClassName": "kata-qemu-cca"}, {}, "CCA"),
        ({"runtimeClassName": "enclave-cc"}, {}, "SGX"),
        ({}, {"resources": {"limits": {"sgx.intel.com/epc": "10Mi"}}}, "SGX"),
        ({}, {"resources": {"limits": {"aws.ec2.nitro/nitro_enclaves": "1"}}}, "Nitro"),
        ({"nodeSelector": {"feature.node.kubernetes.io/cpu-security.tdx.enabled": "true"}}, {}, "TDX"),
        ({"nodeSelector": {"amd.feature.node.kubernetes.io/snp": "true"}}, {}, "SEVSNP"),
    ],
)
def test_the_platform_is_read_from_the_pod(spec: dict[str, Any], container: dict[str, Any], section: str) -> None:
    one = pod(spec=spec, **container)
    if "runtimeClassName" not in spec:
        del one["spec"]["runtimeClassName"]
    document = drafted(one)
    assert [section] == list(document["Packages"]["web"])
    assert "only proposed" not in document["text"]


def test_the_label_for_our_webhook_says_the_platform() -> None:
    assert ["SEVSNP"] == list(drafted(pod(labels={"enclasp/platform": "sev-snp"}))["Packages"]["web"])


def test_a_pod_that_says_nothing_of_its_platform_is_a_decision() -> None:
    one = pod()
    del one["spec"]["runtimeClassName"]
    assert "# DECIDE: nothing in Kubernetes says on which platform it runs" in drafted(one)["text"]
    assert (
        "# DECIDE: runtime class gvisor names no platform" in drafted(pod(spec={"runtimeClassName": "gvisor"}))["text"]
    )


def test_a_runtime_class_is_known_by_its_handler() -> None:
    named = {"kind": "RuntimeClass", "metadata": {"name": "secure"}, "handler": "kata-qemu-snp"}
    assert ["SEVSNP"] == list(drafted(named, pod(spec={"runtimeClassName": "secure"}))["Packages"]["web"])


def test_a_gpu_proves_itself_beside_the_processor() -> None:
    package = drafted(pod(resources={"limits": {"nvidia.com/gpu": 1}}))["Packages"]["web"]
    assert [{"TDX"}, {"NvidiaGPU"}] == [set(part) for part in package["AllOf"]]


@pytest.mark.parametrize(("runtime", "section", "key"), [("tdx", "TDX", "MRConfigID"), ("snp", "SEVSNP", "HostData")])
def test_init_data_is_digested_as_evidence_holds_it(runtime: str, section: str, key: str) -> None:
    init_data = make_init_data({"policy.rego": "package agent_policy\n"})
    expected = hashlib.sha256(init_data.document).digest().ljust(48 if runtime == "tdx" else 32, b"\0").hex()
    one = pod(spec={"runtimeClassName": f"kata-qemu-{runtime}"})
    one["metadata"]["annotations"] = {"io.katacontainers.config.hypervisor.cc_init_data": to_annotation(init_data)}
    assert expected == drafted(one)["Packages"]["web"][section][key]
    one["metadata"]["annotations"] = {"io.katacontainers.config.hypervisor.cc_init_data": "%"}
    assert "DECIDE: digest of the pod's init-data" in drafted(one)["text"]


def test_an_image_without_digest_is_a_decision_and_a_running_one_tells_its_digest() -> None:
    loose = pod(image="x/web:1")
    assert "# DECIDE: image x/web:1 has no digest" in drafted(loose)["text"]
    status = {"containerStatuses": [{"image": "x/web:1", "imageID": f"x/web@{DIGEST}"}]}
    text = drafted({**loose, "status": status})["text"]
    assert f"of which {DIGEST} runs" in text
    assert "has no digest" not in text


# How often


def deployment(kind: str = "Deployment", **spec: Any) -> dict[str, Any]:
    template = {"metadata": pod()["metadata"], "spec": pod()["spec"]}
    return {"kind": kind, "metadata": {"name": "web"}, "spec": {"template": template, **spec}}


@pytest.mark.parametrize(
    ("one", "limit"),
    [
        (deployment(replicas=4), 4),
        (deployment(), 1),
        (deployment("StatefulSet", replicas=2), 2),
        (deployment("Job", completions=3, backoffLimit=2), 5),
    ],
)
def test_replicas_are_proposed_and_marked(one: dict[str, Any], limit: int) -> None:
    document = drafted(one)
    assert limit == document["Marbles"]["web"]["MaxActivations"]
    assert "restarts and new versions count too" in document["text"]


def test_who_starts_again_and_again_is_a_decision() -> None:
    cron = {
        "kind": "CronJob",
        "metadata": {"name": "web"},
        "spec": {"schedule": "0 6 * * *", "jobTemplate": {"spec": deployment()["spec"]}},
    }
    for one in (deployment("DaemonSet"), cron):
        assert str(drafted(one)["Marbles"]["web"]["MaxActivations"]).startswith("DECIDE: how often may it start?")


def test_an_autoscaler_raises_the_number() -> None:
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "x"},
        "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    }
    assert 9 == drafted(deployment(), scaler)["Marbles"]["web"]["MaxActivations"]


def test_pods_of_a_controller_are_not_counted_again() -> None:
    owned = pod()
    owned["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "controller": True}]
    assert ["web"] == list(drafted(deployment(), owned)["Marbles"])


def test_tests_of_a_chart_are_no_marbles() -> None:
    test = pod("test")
    test["metadata"]["annotations"] = {"helm.sh/hook": "test"}
    document = drafted(pod(), test)
    assert ["web"] == list(document["Marbles"])
    assert any("Pod test: a test of the chart" in remark for remark in document["remarks"])


# Names and labels


@pytest.mark.parametrize(
    ("type_label", "container_label"),
    [("marblerun/marbletype", "marblerun/marblecontainer"), ("enclasp/marble", "enclasp/container")],
)
def test_labels_of_marbles_are_honoured(type_label: str, container_label: str) -> None:
    one = pod(labels={type_label: "front", container_label: "main"})
    one["spec"]["containers"] += [{"name": "main", "image": f"m@{DIGEST}", "command": ["m"]}]
    document = drafted(one)
    assert ["m"] == parameters(document, "front")["Argv"]
    assert ["front"] == list(document["Marbles"])
    assert any("container web: a label of the pod names main" in r for r in document["remarks"])


def test_every_container_is_a_marble_but_not_a_meshs_proxy() -> None:
    one = pod()
    one["spec"]["containers"] += [
        {"name": n, "image": f"m@{DIGEST}", "command": [n]} for n in ("log_shipper", "istio-proxy")
    ]
    document = drafted(one)
    assert ["web", "web-log-shipper"] == list(document["Marbles"])
    assert any("container istio-proxy: attested TLS" in remark for remark in document["remarks"])


def test_the_same_name_in_two_namespaces_is_two_marbles() -> None:
    two = [pod(), pod()]
    for one, namespace in zip(two, ("blue", "green"), strict=True):
        one["metadata"]["namespace"] = namespace
    assert ["web", "web-green"] == list(drafted(*two)["Marbles"])


# Network


def service(name: str, port: int = 80, **spec: Any) -> dict[str, Any]:
    ports = [{"port": port}]
    return {"kind": "Service", "metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports, **spec}}


@pytest.mark.parametrize(
    "value",
    ["db", "db:5432", "postgres://u@db:5432/x", "postgres://db/x", "host=db user=x", "jdbc:postgresql://db:5432/x"],
)
def test_who_names_a_service_is_connected_to_it(value: str) -> None:
    caller = environment({"name": "DATABASE", "value": value})
    document = drafted(caller, pod("db"), service("db", 5432))
    assert (["to-db"], ["db"]) == (document["Marbles"]["web"]["TLS"], document["Marbles"]["db"]["TLS"])
    assert {"Incoming": [{"Port": "5432"}]} == document["TLS"]["db"]
    assert {"Outgoing": [{"Addr": "db", "Port": "5432"}]} == document["TLS"]["to-db"]


@pytest.mark.parametrize("value", ["adb", "db-old:5432", "db.example:5432", "see the db", "db:54321", "x.db:5432x"])
def test_words_that_only_look_like_a_service_connect_nothing(value: str) -> None:
    document = drafted(environment({"name": "NOTE", "value": value}), pod("db"), service("db", 5432))
    assert "TLS" not in document["Marbles"]["web"]


def test_ports_of_a_service_are_told_apart() -> None:
    ports = [{"name": "sql", "port": 5432}, {"name": "admin", "port": 9000, "targetPort": "adm"}]
    behind = pod("db", ports=[{"containerPort": 5432}, {"name": "adm", "containerPort": 9001}])
    document = drafted(environment({"name": "A", "value": "db:9000"}), behind, service("db", ports=ports))
    assert (["to-db-admin"], ["db-sql", "db-admin"]) == (
        document["Marbles"]["web"]["TLS"],
        document["Marbles"]["db"]["TLS"],
    )
    assert {"Incoming": [{"Port": "9001"}]} == document["TLS"]["db-admin"]


@pytest.mark.parametrize(("value", "asked"), [("db", True), ("jdbc:postgresql://db/x", True), ("the database", False)])
def test_which_of_several_ports_is_asked_where_no_text_says_it(value: str, asked: bool) -> None:
    ports = [{"name": "sql", "port": 5432}, {"name": "admin", "port": 9000}]
    document = drafted(environment({"name": "A", "value": value}), pod("db"), service("db", ports=ports))
    assert asked == ("DECIDE: it calls db, which has the ports 5432, 9000: add a TLS tag" in document["text"])
    assert "TLS" not in document["Marbles"]["web"]


@pytest.mark.parametrize("outside", ["LoadBalancer", "Ingress"])
def test_who_is_reached_from_outside_has_a_certificate_for_clients_without_one(outside: str) -> None:
    objects = [pod(), service("web", 443, **({"type": outside} if outside == "LoadBalancer" else {}))]
    if outside == "Ingress":
        path = {"backend": {"service": {"name": "web", "port": {"number": 443}}}}
        rules = [{"host": "shop.example", "http": {"paths": [path]}}]
        objects.append({"kind": "Ingress", "metadata": {"name": "i"}, "spec": {"rules": rules, "tls": [{}]}})
    document = drafted(*objects)
    assert {"Port": "443", "Cert": "webCertificate", "DisableClientAuth": True} == document["TLS"]["web"]["Incoming"][0]
    (name,) = document["Secrets"]["webCertificate"]["Cert"]["DNSNames"]
    assert name == "shop.example" or (outside == "LoadBalancer" and name.startswith("DECIDE:"))


# What was read


def test_objects_without_a_word_in_a_manifest_are_said_with_file_and_line() -> None:
    text = yaml.safe_dump_all([pod(), {"kind": "NetworkPolicy", "metadata": {"name": "n"}}, {"a": 1}])
    remarks = [f"{remark.where}: {remark.text}" for remark in converted(text).remarks]
    line = text[: text.index("NetworkPolicy")].count("\n") + 1
    assert any(remark.startswith(f"x.yaml:{line}: NetworkPolicy n") for remark in remarks)
    assert any("no Kubernetes object" in remark for remark in remarks)


def test_init_containers_are_said() -> None:
    document = drafted(pod(spec={"initContainers": [{"name": "prepare", "image": "x"}]}))
    assert any("initContainers prepare" in remark for remark in document["remarks"])


def test_lists_anchors_and_merge_keys_are_read() -> None:
    text = f"""apiVersion: v1
kind: List
items:
- kind: Pod
  metadata: {{name: web}}
  spec:
    containers:
    - &one {{name: a, image: "i@{DIGEST}", command: [a]}}
    - <<: *one
      name: b
"""
    assert ["web", "web-b"] == [service.name for service in converted(text).draft.services]


def test_nothing_that_starts_a_pod_is_refused() -> None:
    with pytest.raises(NoWorkload):
        converted("kind: Service\nmetadata: {name: x}\n")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a: [", "x.yaml:2"),
        (b"kind: Pod\nname: {{ .Values.x }}\n", "x.yaml:2"),
        (b"kind: \xff", "x.yaml:1: this is not UTF-8"),
        (b"a: *b", "x.yaml:1: *b stands before &b"),
        (b"[" * 100, "more than 64 levels"),
        (
            b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 10)) for n in range(98, 110)),
            "values",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(raw: bytes, said: str) -> None:
    with pytest.raises(NotReadable) as refusal:
        read_application([Source("x.yaml", raw)])
    assert said in str(refusal.value)
    assert refusal.value.hint


SCALARS = st.sampled_from(
    ["web", "$(A)", "{{ x }}", "a\nb", "DECIDE: x", "# DECIDE: y", "é", "x" * 200, "db:80", "1", ""]
)
TREES = st.recursive(
    SCALARS | st.integers(-2, 70000) | st.none() | st.booleans(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "image",
                    "env",
                    "value",
                    "valueFrom",
                    "secretKeyRef",
                    "key",
                    "command",
                    "args",
                    "ports",
                    "spec",
                    "items",
                    "data",
                    "metadata",
                    "containers",
                    "volumes",
                    "volumeMounts",
                    "mountPath",
                    "configMap",
                    "secret",
                    "secretName",
                    "envFrom",
                    "template",
                    "selector",
                    "labels",
                    "port",
                ]
            ),
            children,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["Pod", "Deployment", "Service", "ConfigMap", "Secret", "Ingress", "CronJob"]),
                "metadata": st.fixed_dictionaries({"name": st.sampled_from(["web", "db"]), "labels": TREES}),
                "spec": TREES,
                "data": TREES,
            }
        ),
        max_size=4,
    )
)
@settings(max_examples=150, deadline=None)
def test_objects_of_any_form_are_drafted_or_refused_in_a_sentence(objects: list[Any]) -> None:
    objects.append(pod("last"))
    result = converted(yaml.safe_dump_all(objects, allow_unicode=True))
    document = yaml.safe_load(render(result.draft))
    assert len(document["Marbles"]) == len(result.draft.services)


@given(st.binary(max_size=200) | st.text("{}[]&*!|>#:-?, \nab\"'", max_size=80).map(str.encode))
def test_no_bytes_make_the_reader_fail_in_any_other_way(raw: bytes) -> None:
    try:
        application = read_application([Source("x.yaml", raw)])
    except NotReadable:
        return
    assert all(remark.where.startswith("x.yaml:") for remark in application.remarks)
