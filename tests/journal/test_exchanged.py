"""A journal in Kubernetes objects that somebody exchanges while it is written: refused, and named for what it is."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.cluster.account import Account
from coordinator.cluster.api import ClusterApi
from coordinator.journal.errors import Exchanged, StorageInUse
from coordinator.journal.kubernetes import KubernetesStorage
from tests.fakes.evil_api_server import ApiServer, api_server

draw = os.urandom  # noqa: TID251 - as a real coordinator does


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Account, ApiServer]]:
    with api_server(tmp_path / "account") as (account, server):
        yield account, server


def storage(account: Account) -> KubernetesStorage:
    return KubernetesStorage(ClusterApi(account), "state", draw, patience=5)


def test_an_older_state_that_is_put_back_under_its_writer_is_refused_at_every_record(
    server: tuple[Account, ApiServer],
) -> None:
    account, api = server
    writer = storage(account)
    writer.create({"journal-id": b"j" * 16}, [b"0"])
    states = [api.secrets()]
    for number in range(1, 6):
        writer.append([b"%d" % number], expected_head=number - 1)
        states.append(api.secrets())
    for number, older in enumerate(states[:-1]):
        api.put_back(older)
        with pytest.raises(Exchanged, match=f"record 5 of claim 0, got record {number} of claim 0") as refused:
            writer.append([b"6"], expected_head=5)
        assert "R498" == refused.value.code
        assert "approve the one that is there" in str(refused.value)
    api.put_back({})
    with pytest.raises(Exchanged, match="got no journal"):
        writer.append([b"6"], expected_head=5)


def test_the_same_state_under_another_version_is_written_to(server: tuple[Account, ApiServer]) -> None:
    account, api = server
    writer = storage(account)
    writer.create({"journal-id": b"j" * 16}, [b"0"])
    api.touch(f"/api/v1/namespaces/{account.namespace}/secrets/state")
    writer.append([b"1"], expected_head=0)
    api.put_back(api.secrets())
    writer.append([b"2"], expected_head=1)
    assert [b"0", b"1", b"2"] == storage(account).read().records


def test_a_state_that_another_coordinator_has_claimed_is_said_to_be_that(server: tuple[Account, ApiServer]) -> None:
    account, _ = server
    writer = storage(account)
    writer.create({"journal-id": b"j" * 16}, [b"0"])
    storage(account).append([b"1"], expected_head=0)
    with pytest.raises(StorageInUse, match="another coordinator has claimed it"):
        writer.append([b"1"], expected_head=0)
