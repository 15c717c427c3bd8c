"""Which init-data does a marble's pod get?  The same wherever it runs, so that a manifest can pin its digest."""

from collections.abc import Mapping
from typing import Final

from attestation.init_data import ANNOTATIONS, InitData, InitDataInvalid, from_annotation, make_init_data
from coordinator.admission.pod import Refusal
from marble.bootstrap import ENTRY, entry, read_bootstrap


def init_data_of(coordinator: str, marble_type: str, texts: Mapping[str, str]) -> InitData:
    """The document for a marble.  coordinator: HOST:PORT.  texts: the operator's own beside it, by name.

    Raises InitDataInvalid.
    """
    if ENTRY in texts:
        raise InitDataInvalid(f"init-data: {ENTRY}: expected it to be left to the webhook, got a text of this name")
    return make_init_data({**texts, **entry(coordinator, marble_type)})


def own_init_data(annotations: Mapping[str, str], coordinator: str, marble_type: str) -> tuple[str, bool] | None:
    """The annotation of a pod that brings its own init-data, and whether that is for a marble; None: it brings none.

    Raises Refusal for one that cannot be read, or is for another marble or coordinator than the pod.
    """
    name = next((name for name in ANNOTATIONS if name in annotations), None)
    if name is None:
        return None
    try:
        told = read_bootstrap(from_annotation(annotations[name]))
    except InitDataInvalid as cause:
        raise Refusal("K690", f"annotation {name}: {cause}") from cause
    if told is not None and (told.coordinator, told.marble_type) != (coordinator, marble_type):
        expected = f"marble {marble_type!a} and coordinator {coordinator!a}"
        got = f"{told.marble_type!a} and {told.coordinator!a}"
        raise Refusal("K691", f"annotation {name}: expected init-data for {expected}, got {got}")
    return name, told is not None


FILE: Final = "annotation"
VOLUME: Final = "enclasp-init-data"
FOLDER: Final = "/run/enclasp/init-data"
