"""The services and the companies over real sockets: who is served, who is not, and what the receipt proves."""

import asyncio
import base64
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from examples.common_customers import company, generate
from examples.common_customers.eavesdropper import Eavesdropper
from examples.common_customers.receipts import Store
from marble.mesh import Identity
from pki import certificates, keys
from tests.support.ports import free_port

LISTS = generate.generate(rows=300, common=41, seed=3)


async def take_part(example: Any, name: str, text: str, address: str = "") -> company.Result:
    return await asyncio.to_thread(
        company.take_part,
        address or example.address,
        example.coordinator.root,
        example.identity(name),
        text.encode(),
        example.now,
    )


async def test_both_companies_get_what_is_common_and_a_receipt_that_proves_it(example: Any) -> None:
    alice, bob = await asyncio.gather(take_part(example, "alice", LISTS.alice), take_part(example, "bob", LISTS.bob))
    assert LISTS.common == alice.common
    assert alice == bob
    assert alice.sizes == {"alice": 300, "bob": 300}
    kept = Store(example.folder / "receipts", example.store_key)
    assert kept.numbers() == (1,)
    signed = company.verify_receipt(kept.read(1), example.coordinator.root, example.now)
    assert signed["common"]["customers"] == 41


async def test_a_run_that_broke_off_is_taken_up_with_the_same_list_only(example: Any) -> None:
    await asyncio.gather(take_part(example, "alice", LISTS.alice), take_part(example, "bob", LISTS.bob))
    assert LISTS.common == (await take_part(example, "alice", LISTS.alice)).common
    with pytest.raises(company.Refused, match=r"lists\.alice\.commitment"):
        await take_part(example, "alice", LISTS.bob)


async def test_a_list_that_is_refused_can_be_mended_and_sent_again(example: Any) -> None:
    with pytest.raises(company.ListRefused, match="line 2"):
        await take_part(example, "alice", "email,name\nnobody,x\n")
    alice, _ = await asyncio.gather(take_part(example, "alice", LISTS.alice), take_part(example, "bob", LISTS.bob))
    assert LISTS.common == alice.common


async def test_a_list_over_the_limit_is_refused_and_the_service_goes_on(example: Any) -> None:
    with pytest.raises(company.ListRefused, match="413"):
        await take_part(example, "alice", "x" * (33 * 1024 * 1024))
    alice, _ = await asyncio.gather(take_part(example, "alice", LISTS.alice), take_part(example, "bob", LISTS.bob))
    assert LISTS.common == alice.common


async def test_whoever_is_not_in_the_manifest_gets_nothing(example: Any) -> None:
    company.make_keys(example.folder / "stranger", "alice", example.now)
    with pytest.raises(company.Unreachable, match="does our certificate stand in the manifest"):
        await asyncio.to_thread(
            company.take_part,
            example.address,
            example.coordinator.root,
            example.folder / "stranger" / "alice",
            LISTS.alice.encode(),
            example.now,
        )


async def test_another_marble_of_the_deployment_is_no_company(example: Any) -> None:
    environ = example.coordinator.environ("receipts")
    (example.folder / "marble").mkdir()
    (example.folder / "marble" / "alice.certificate.pem").write_text(
        environ["MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN"]
    )
    (example.folder / "marble" / "alice.key.pem").write_text(environ["MARBLE_PREDEFINED_PRIVATE_KEY"])
    with pytest.raises(company.ListRefused, match=r"\(403\).*none of the companies"):
        await asyncio.to_thread(
            company.take_part,
            example.address,
            example.coordinator.root,
            example.folder / "marble" / "alice",
            LISTS.alice.encode(),
            example.now,
        )


async def test_somebody_in_the_middle_overhears_nothing(example: Any) -> None:
    with Eavesdropper(example.address) as middle, pytest.raises(company.Refused, match="nothing was sent"):
        await take_part(example, "alice", LISTS.alice, middle.address)
    assert middle.overheard == 0
    assert middle.refused == 1


async def test_whoever_does_not_look_is_overheard(example: Any) -> None:
    with Eavesdropper(example.address) as middle:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        host, _, port = middle.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.write(b"my customers")
        assert b"" == await reader.read()
        writer.close()
    assert (12, 0) == (middle.overheard, middle.refused)


async def test_another_marble_of_the_deployment_cannot_take_the_lists(example: Any) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    example.start_intersection("impostor", example.coordinator.environ("other"), address)
    with pytest.raises(company.Refused, match="expected the marble 'intersection', got 'other'; nothing was sent"):
        await take_part(example, "alice", LISTS.alice, address)


async def test_receipts_are_signed_for_the_intersection_only(example: Any) -> None:
    identity = Identity.from_environ(example.coordinator.environ("other"))
    async with grpc.aio.secure_channel(example.receipts_address, identity.grpc_channel_credentials()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary("/common_customers.Receipts/Record", bytes, bytes)(b"{}", timeout=5)
    assert grpc.StatusCode.PERMISSION_DENIED is refused.value.code()
    identity = Identity.from_environ(example.coordinator.environ("intersection"))
    async with grpc.aio.secure_channel(example.receipts_address, identity.grpc_channel_credentials()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary("/common_customers.Receipts/Record", bytes, bytes)(b"{}", timeout=5)
    assert grpc.StatusCode.INVALID_ARGUMENT is refused.value.code()


async def test_without_a_receipt_there_is_no_result_and_numbers_go_on_after_a_restart(example: Any) -> None:
    example.processes.stop("receipts")
    Store(example.folder / "receipts", example.store_key).keep(1, b"of an earlier run", bytes(12))
    running = asyncio.gather(take_part(example, "alice", LISTS.alice), take_part(example, "bob", LISTS.bob))
    await asyncio.sleep(0.5)
    assert not running.done()
    await asyncio.to_thread(example.start_receipts)
    alice, _ = await running
    assert (LISTS.common, 2) == (alice.common, alice.number)


def test_a_receipt_counts_with_its_signature_and_its_signer_only(example: Any) -> None:
    coordinator = example.coordinator
    key = keys.generate(keys.KeyAlgorithm.EC_P256)

    def receipt(signer: str, text: str = "{}", signed: str = "{}") -> bytes:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        chain = certificates.pem(coordinator.issue(signer, key), coordinator.intermediate).decode()
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        signature = key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        return json.dumps({"signed": text, "signature": base64.b64encode(signature).decode(), "chain": chain}).encode()

    assert company.verify_receipt(receipt(company.RECEIPT_NAME), coordinator.root, example.now) == {}
    for wrong, reason in (
        (receipt(company.RECEIPT_NAME, text="[]"), "does not fit"),
        (receipt("uuid-of-a-marble"), "expected the signer"),
        (b"{}", "receipt"),
        (b"[", "receipt"),
    ):
        with pytest.raises(company.Refused, match=reason):
            company.verify_receipt(wrong, coordinator.root, example.now)
    other = type(coordinator)()
    with pytest.raises(company.Refused, match="no trusted anchor"):
        company.verify_receipt(receipt(company.RECEIPT_NAME), other.root, example.now)


@pytest.mark.parametrize(
    ("program", "missing", "reason"),
    [
        ("intersection", {"ALICE_CERTIFICATE": "PUT THE CERTIFICATE OF alice HERE"}, "expected alice's certificate"),
        ("intersection", {"INTERSECTION_ADDRESS": ""}, "expected the variable INTERSECTION_ADDRESS"),
        ("receipts", {"STORE_KEY": ""}, "expected the variable STORE_KEY"),
    ],
)
def test_a_program_that_was_not_given_everything_says_what(
    example: Any, program: str, missing: dict[str, str], reason: str
) -> None:
    given = {**example.intersection_environ, "INTERSECTION_ADDRESS": "127.0.0.1:1", **example.receipts_environ}
    command = (sys.executable, str(Path(company.__file__).with_name(f"{program}.py")))
    ended = example.processes.run("incomplete", command, {**given, **missing})
    assert 1 == ended.code
    assert reason in ended.err
    assert "Traceback" not in ended.err


def test_receipts_that_somebody_changed_keep_the_service_from_starting(example: Any) -> None:
    example.processes.stop("receipts")
    (example.folder / "receipts" / "receipt-000001.sealed").write_bytes(bytes(64))
    command = (sys.executable, str(Path(company.__file__).with_name("receipts.py")))
    ended = example.processes.run("damaged", command, example.receipts_environ)
    assert (1, "receipts: receipt-000001.sealed: expected a receipt sealed by this deployment, got other bytes\n") == (
        ended.code,
        ended.err,
    )
