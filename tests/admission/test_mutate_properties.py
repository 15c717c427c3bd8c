"""Any pod at all: nothing of it is lost, twice is the same as once, and nothing comes out but patch or refusal."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from attestation.init_data import ANNOTATION, make_init_data, to_annotation
from coordinator.admission.init_data import init_data_of
from coordinator.admission.mutate import inject
from coordinator.admission.pod import Refusal
from coordinator.admission.review import ReviewInvalid, parse_review
from coordinator.admission.settings import Injection
from tests.admission.pods import SETTINGS, applied

_ANNOTATIONS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "note": st.text(max_size=3),
        ANNOTATION: st.sampled_from(
            ["", to_annotation(init_data_of("c:2001", "a", {})), to_annotation(make_init_data({"aa.toml": "x"}))]
        ),
    },
)
_NAMES = st.sampled_from(["a", "b", "main", "enclasp-uuid", "enclasp-launcher", "enclasp-simulation", "v"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_LABELS = st.fixed_dictionaries(
    {"enclasp/marble": st.sampled_from(["a", "Web", "x.y"])},
    optional={
        "marblerun/marbletype": st.sampled_from(["a", "Web"]),
        "enclasp/container": _NAMES,
        "enclasp/platform": st.sampled_from(["sgx", "tdx", "sev-snp", "none"]),
        "marblerun/resource-injection": st.just("disabled"),
        "enclasp/launcher": st.just("inject"),
        "app": st.text(max_size=3),
    },
)
_MOUNTS = st.lists(
    st.fixed_dictionaries(
        {"name": _NAMES, "mountPath": st.sampled_from(["/a-uid", "/enclasp", "/run/enclasp/simulation", "/data"])}
    ),
    max_size=3,
)
_CONTAINER = st.fixed_dictionaries(
    {"name": _NAMES},
    optional={
        "image": st.text(max_size=5),
        "command": st.lists(st.text(max_size=5), max_size=3) | st.none(),
        "env": st.none() | st.lists(st.fixed_dictionaries({"name": st.sampled_from(["EDG_MARBLE_TYPE", "X"])})),
        "volumeMounts": st.none() | _MOUNTS,
        "resources": st.none() | st.fixed_dictionaries({}, optional={"limits": st.just({"cpu": "1"})}),
        "futureField": _JSON,
    },
)
_PODS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"labels": _LABELS}, optional={"futureField": _JSON, "name": st.text(), "annotations": _ANNOTATIONS}
        ),
        "spec": st.fixed_dictionaries(
            {"containers": st.lists(_CONTAINER, min_size=1, max_size=3)},
            optional={
                "initContainers": st.none() | st.lists(_CONTAINER, max_size=2),
                "volumes": st.none() | st.lists(st.fixed_dictionaries({"name": _NAMES, "emptyDir": st.just({})})),
                "tolerations": st.none() | st.just([{"key": "x", "operator": "Exists"}]),
                "futureField": _JSON,
            },
        ),
    },
    optional={"futureField": _JSON},
)
_SETTINGS = st.sampled_from(
    [
        SETTINGS,
        Injection("c:2001", simulation_secret="s", launcher_image="i"),
        Injection("c:2001", platform="none"),
        Injection("c:2001", platform="tdx", runtime_classes={"tdx": "kata", "sev-snp": "kata"}, init_data={"x": "y"}),
        Injection("c:2001", platform="sev-snp", simulation_secret="s", init_data={}),
    ]
)


def kept(before: Any, after: Any) -> bool:
    """Whether everything of `before` is still in `after`, lists in their order; only a command may be wrapped."""
    if isinstance(before, dict):
        return isinstance(after, dict) and all(
            before[key] is None or (key in after and (key == "command" or kept(before[key], after[key])))
            for key in before
        )
    if isinstance(before, list):
        rest = iter(after)
        return all(any(kept(item, other) for other in rest) for item in before)
    return bool(before == after)


@given(_PODS, _SETTINGS)
def test_nothing_of_a_pod_is_lost_and_a_second_time_changes_nothing(pod: Any, settings: Injection) -> None:
    before = copy.deepcopy(pod)
    try:
        operations = inject(pod, namespace="shop", settings=settings)
    except Refusal:
        operations = ()
    assert before == pod, "the question itself is not changed"
    after = applied(pod, operations)
    assert kept(pod, after)
    if operations:
        assert () == inject(after, namespace="shop", settings=settings)


@given(_JSON | st.fixed_dictionaries({"metadata": _JSON, "spec": st.fixed_dictionaries({"containers": _JSON})}))
def test_whatever_comes_in_place_of_a_pod_is_refused_or_left_alone(raw: Any) -> None:
    try:
        operations = inject(raw, namespace="shop", settings=SETTINGS)
    except Refusal:
        return
    assert () == operations


@given(st.binary(max_size=300) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_make_the_parser_of_reviews_fail_in_any_other_way(body: bytes) -> None:
    try:
        review = parse_review(body)
    except ReviewInvalid:
        return
    assert isinstance(review.uid, str)
