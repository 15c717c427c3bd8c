"""The manifests that the bench measures with."""

import json

import pytest

from bench.documents import manifest, marble_type


@pytest.mark.parametrize(("marbles", "secrets", "limits"), [(10, 0, False), (10, 100, False), (1000, 1000, True)])
def test_a_manifest_has_the_asked_size(marbles: int, secrets: int, limits: bool) -> None:
    document = json.loads(manifest(marbles, secrets, unique_id="ab" * 32, limits=limits))

    assert marbles == len(document["Marbles"])
    assert secrets == len(document.get("Secrets", {}))
    assert limits == ("MaxActivations" in document["Marbles"][marble_type(0)])


def test_every_marble_uses_two_secrets_that_exist() -> None:
    document = json.loads(manifest(7, 5, unique_id="ab" * 32, limits=False))

    for marble in document["Marbles"].values():
        used = {name for name in document["Secrets"] if name in json.dumps(marble["Parameters"])}
        assert len(used) == 2
