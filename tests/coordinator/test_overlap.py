"""After an update marbles of before and after it believe each other for a time, and then no more."""

import datetime as dt
import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support import marble_client
from tests.support.mesh_talk import Env, by_go, by_grpcio, by_ssl, go_program
from tests.support.updatable import Updatable, changed, deploy, encoded, v2

OVERLAP = dt.timedelta(hours=1)
ROOTS, CHAIN = "MARBLE_PREDEFINED_ROOT_CA", "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"


@pytest.fixture(scope="module")
def generations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Updatable, list[Env]]]:
    """A deployment after two updates, and a marble that started before, between and after them."""
    deployed = deploy(tmp_path_factory.mktemp("overlap"), UpdateOverlap="1h")
    marbles = [start(deployed, 0)]
    deployed.pass_update(changed(deployed.first, lambda d: d["Marbles"].update(new={"Package": "tdx"})))
    marbles.append(start(deployed, 1))
    raised = deployed.ask("dave", "/api/v2/update", v2(encoded({"Packages": {"sgx": {"SecurityVersion": 3}}})))
    assert 200 == raised.status, raised.body
    marbles.append(start(deployed, 2))
    yield deployed, marbles
    deployed.running.kill()


def start(deployed: Updatable, number: int) -> Env:
    join = deployed.join()
    join.uuid = f"00000000-0000-4000-8000-00000000000{number}"
    return dict(marble_client.send(deployed.running.mesh_address, join).Parameters.Env)


PAIRS = [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0), (2, 2)]


@pytest.mark.parametrize("talk", [by_ssl, by_grpcio])
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_marbles_of_before_and_after_updates_connect(
    generations: tuple[Updatable, list[Env]], talk: Callable[[Env, Env], bool], one: int, other: int
) -> None:
    _, marbles = generations
    assert talk(marbles[one], marbles[other])


@pytest.fixture(scope="session")
def in_go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_program(tmp_path_factory.mktemp("go"))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_marbles_in_go_of_before_and_after_updates_connect(
    generations: tuple[Updatable, list[Env]], in_go: Path, tmp_path: Path, one: int, other: int
) -> None:
    _, marbles = generations
    assert by_go(in_go, tmp_path, marbles[one], marbles[other])


@pytest.mark.parametrize("stack", ["ssl", "grpcio", "go"])
def test_without_an_overlap_they_do_not_until_the_old_one_restarts(
    tmp_path: Path, stack: str, request: pytest.FixtureRequest
) -> None:
    if stack == "go":
        talk: Callable[[Env, Env], bool] = partial(by_go, request.getfixturevalue("in_go"), tmp_path)
    else:
        talk = {"ssl": by_ssl, "grpcio": by_grpcio}[stack]
    deployed = deploy(tmp_path)
    try:
        old = start(deployed, 0)
        deployed.pass_update(deployed.first)
        (step,) = deployed.data("/api/v2/marbles")["steps"]
        assert (1, False, None) == (step["number"], step["trusted"], step["trustedUntil"])
        new, restarted = start(deployed, 1), start(deployed, 0)
        assert not talk(old, new)
        assert not talk(new, old)
        assert talk(restarted, new)
        assert 1 == new[ROOTS].count(b"BEGIN CERTIFICATE")
        assert 2 == new[CHAIN].count(b"BEGIN CERTIFICATE")
        found = deployed.data("/api/v2/hierarchy")
        assert [{"type": "full", "count": 2}] == [
            {key: one[key] for key in ("type", "count")} for one in found["intermediates"][0]["marbles"]
        ]
        assert [] == found["cutOff"]
    finally:
        deployed.running.kill()


def test_everything_that_overlaps_ends_with_the_overlap(generations: tuple[Updatable, list[Env]]) -> None:
    _, marbles = generations
    new = marbles[2]
    roots = x509.load_pem_x509_certificates(new[ROOTS])
    chain = x509.load_pem_x509_certificates(new[CHAIN])
    assert (3, 1 + 2 + 3) == (len(roots), len(chain))
    ends = [certificate.not_valid_after_utc for certificate in (*roots[1:], *chain[1:3])]
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - a client's clock
    assert all(now < end <= now + OVERLAP for end in ends)
    assert roots[0].not_valid_after_utc > now + 1000 * OVERLAP


def verified_by_openssl(folder: Path, trusted: bytes, marble: Env, at: dt.datetime) -> bool:
    leaf, rest = marble[CHAIN].split(b"-----END CERTIFICATE-----\n", 1)
    (folder / "leaf").write_bytes(leaf + b"-----END CERTIFICATE-----\n")
    (folder / "rest").write_bytes(rest)
    (folder / "trusted").write_bytes(trusted)
    command = ["openssl", "verify", "-x509_strict", "-attime", str(int(at.timestamp()))]
    files = ["-CAfile", str(folder / "trusted"), "-untrusted", str(folder / "rest"), str(folder / "leaf")]
    return 0 == subprocess.run([*command, *files], capture_output=True, check=False).returncode


def test_openssl_believes_each_side_within_the_overlap_and_neither_after_it(
    generations: tuple[Updatable, list[Env]], tmp_path: Path
) -> None:
    deployed, (old, _, new) = generations
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - a client's clock
    soon, later = now + OVERLAP / 2, now + 2 * OVERLAP
    assert verified_by_openssl(tmp_path, old[ROOTS], new, soon)
    assert verified_by_openssl(tmp_path, new[ROOTS], old, soon)
    assert not verified_by_openssl(tmp_path, old[ROOTS], new, later)
    assert not verified_by_openssl(tmp_path, new[ROOTS], old, later)
    assert verified_by_openssl(tmp_path, new[ROOTS], new, later)
    _, root = x509.load_pem_x509_certificates(deployed.data("/quote")["Cert"].encode())
    for at in (soon, later):
        assert verified_by_openssl(tmp_path, root.public_bytes(Encoding.PEM), new, at), (
            "who trusts the root needs no more"
        )


def test_status_says_by_name_who_still_uses_which_intermediate(generations: tuple[Updatable, list[Env]]) -> None:
    deployed, _ = generations
    first = deployed.data("/api/v2/hierarchy")
    assert [3, 2, 1] == [one["number"] for one in first["intermediates"]]
    assert [None, False, False] == [one["trustedUntil"] and False for one in first["intermediates"]]
    assert [["full"], ["full"], ["full"]] == [
        [marble["type"] for marble in one["marbles"]] for one in first["intermediates"]
    ]
    assert "00000000-0000-4000-8000-000000000000" in first["intermediates"][2]["marbles"][0]["uuids"]
    seen = deployed.data("/api/v2/marbles")
    assert (3, [{"type": "full", "count": 3}]) == (seen["total"], seen["types"])
    assert [("2", 3), ("1", 2), ("0", 1)] == [(one["uuid"][-1], one["step"]) for one in seen["instances"]]
    assert {("tdx", "tdx")} == {(one["platform"], one["package"]) for one in seen["instances"]}
    documents = [hashlib.sha256(encoded(deployed.first)).hexdigest() == step["manifest"] for step in seen["steps"]]
    assert [False, False, True] == documents
    assert [(True, True), (True, False), (True, False)] == [
        (step["trusted"], step["trustedUntil"] is None) for step in seen["steps"]
    ]
    leaf = x509.load_pem_x509_certificate(generations[1][2][CHAIN])
    assert leaf.not_valid_after_utc == dt.datetime.fromisoformat(seen["instances"][0]["certificateUntil"])
    assert seen["instances"][:1] == deployed.data("/api/v2/marbles?limit=1")["instances"]
    assert [] == deployed.data("/api/v2/marbles?type=enclave")["instances"]
    assert 400 == deployed.ask(None, "/api/v2/marbles?limit=1001").status
    deployed.restart()
    assert first == deployed.data("/api/v2/hierarchy")
    assert seen == deployed.data("/api/v2/marbles")
    start(deployed, 0)
    moved = deployed.data("/api/v2/hierarchy")["intermediates"]
    assert ([], 2) == (moved[2]["marbles"], moved[0]["marbles"][0]["count"])
    assert time.time() < dt.datetime.fromisoformat(moved[2]["trustedUntil"]).timestamp()
