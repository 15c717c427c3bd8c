"""`enclasp recovery …`: what owners of shares do before the day on which they are needed, and from afar."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.group import Group
from coordinator.cli.output import PRIVATE, Output
from coordinator.cli.owner import OwnerOptions, open_share, owner_options, share_argument
from coordinator.cli.problems import Problem
from coordinator.cli.visit import Visit, endpoint_argument, insecure_option, visits

if TYPE_CHECKING:
    from coordinator.client.recovery import OwnerStanding, RecoveryStanding
    from coordinator.recovery.owner_key import Opener
    from coordinator.recovery.statement import WaitingState


@click.group(cls=Group)
def recovery() -> None:
    """See whose shares recover a coordinator's state; check, rehearse and prepare them."""


@recovery.command()
@endpoint_argument
@insecure_option
@visits
@reports
def show(output: Output, endpoint: str, visit: Visit) -> None:
    """Verify the coordinator, then print the owners, what they have rehearsed or given, and which state waits.

    \b
    enclasp recovery show localhost:4433 --reference reference.yaml
    enclasp recovery show localhost:4433 --reference reference.yaml -o json
    """
    standing = visit.client_in_any_state(endpoint, output).recovery_standing()
    output.result(_document(standing), lambda: _table(standing))


@recovery.command()
@endpoint_argument
@insecure_option
@visits
@reports
def shares(output: Output, endpoint: str, visit: Visit) -> None:
    """Verify the coordinator, then print every owner's encrypted share again, as `manifest set` did.

    Only while the coordinator runs: one that waits for recovery cannot read them.

    \b
    enclasp recovery shares localhost:4433 --reference reference.yaml --out shares.json
    enclasp recovery shares localhost:4433 --reference reference.yaml -o json
    """
    import base64
    import json

    owners = visit.client(endpoint, output).recovery_standing().owners
    document = {"RecoverySecrets": {owner.name: base64.b64encode(owner.envelope).decode() for owner in owners}}
    output.result(document, json.dumps(document, indent=2), mode=PRIVATE)


@recovery.command(name="verify-share")
@share_argument
@endpoint_argument
@owner_options
@insecure_option
@visits
@reports
def verify_share(output: Output, file: Path, endpoint: str, owner: OwnerOptions, visit: Visit) -> None:
    """Verify the coordinator, open your share, and say whether it is one that recovers this coordinator.

    \b
    enclasp recovery verify-share shares.json localhost:4433 --key alice.key --reference reference.yaml
    enclasp recovery verify-share shares.json localhost:4433 --key alice.key --reference reference.yaml -o json
    """
    share = open_share(file, owner, owner.opener())
    standing = visit.client_in_any_state(endpoint, output).recovery_standing()
    found = _owner_of(share, standing)
    document = {"owner": found.name, "needed": standing.needed, "owners": len(standing.owners)}
    how_many = f"{standing.needed} of {len(standing.owners)} recover"
    output.result(document | {"verified": not visit.insecure}, f"OK  this is the share of {found.name}; {how_many}")


@recovery.command()
@share_argument
@endpoint_argument
@owner_options
@click.option("--signature", "-s", type=FILE, help="Instead of --key: what `sign-approval` wrote, with --name.")
@insecure_option
@visits
@reports
def approve(
    output: Output, file: Path, endpoint: str, owner: OwnerOptions, signature: Path | None, visit: Visit
) -> None:
    """Verify the coordinator, and approve that it serves a state which may not be the newest. No share is sent.

    `enclasp recovery show` says what speaks against the state; your signature is for that state and that sentence, and
    for the coordinator as it runs now: after its next start it is asked for anew.
    With --signature, FILE is what the owner signed for: `enclasp recovery show -o json`.

    \b
    enclasp recovery approve shares.json localhost:4433 --key alice.key --reference reference.yaml
    enclasp recovery approve waiting.json localhost:4433 --name alice --signature alice.sig --reference reference.yaml
    """
    from coordinator.manifest.words import printable
    from coordinator.recovery.statement import describe

    if signature is None:
        opener = owner.opener()
        share = open_share(file, owner, opener)
    elif owner.name is None:
        raise click.UsageError("--signature: say whose it is with --name")
    client = visit.client_in_any_state(endpoint, output)
    standing = client.recovery_standing()
    if standing.state is None or not standing.doubt:
        raise Problem("no state waits here for its owners' approval", exit_codes.INVALID, "R494")
    if signature is None:
        name = _owner_of(share, standing).name
        state, signed = standing.state, _approval(opener, share, standing.state, standing.doubt, standing.nonce)
        output.remark(f"signing for {describe(state)}: {printable(standing.doubt)}")
    else:
        name, (state, _, _), signed = str(owner.name), _read_waiting(file), read_input(signature)
    remaining = client.approve_state(name, state, signed)
    text = f"approved, {remaining} more needed" if remaining else "approved: the state is served"
    output.result({"remaining": remaining, "served": remaining == 0, "verified": not visit.insecure}, text)


@recovery.command(name="sign-approval")
@share_argument
@click.option("--state", "state_file", type=FILE, required=True, help="What `enclasp recovery show -o json` wrote.")
@owner_options
@reports
def sign_approval(output: Output, file: Path, state_file: Path, owner: OwnerOptions) -> None:
    """Offline: sign that a state which may not be the newest may be served, so that somebody else can pass it on.

    \b
    enclasp recovery sign-approval shares.json --key alice.key --state waiting.json --out alice.sig
    enclasp recovery sign-approval shares.json --state waiting.json --pkcs11-module token.so --pkcs11-key recovery
    """
    import base64

    _refuse_existing(output)
    state, doubt, nonce = _read_waiting(state_file)
    if not doubt:
        raise Problem(f"{state_file}: nothing speaks against the state in it", exit_codes.INVALID, "R494")
    opener = owner.opener()
    signature = _approval(opener, open_share(file, owner, opener), state, doubt, nonce)
    output.result({"signature": base64.b64encode(signature).decode()}, signature)


@recovery.command()
@share_argument
@endpoint_argument
@owner_options
@insecure_option
@visits
@reports
def rehearse(output: Output, file: Path, endpoint: str, owner: OwnerOptions, visit: Visit) -> None:
    """Verify the coordinator, and prove to it that your share still opens. Nothing is recovered, no share is sent.

    The proof is in the update log, and `enclasp recovery show` says when each owner gave one.

    \b
    enclasp recovery rehearse shares.json localhost:4433 --key alice.key --reference reference.yaml
    enclasp recovery rehearse shares.json localhost:4433 --key alice.key --reference reference.yaml -o json
    """
    from coordinator.recovery.rehearsal import prove_rehearsal, rehearsal_verifier

    share = open_share(file, owner, owner.opener())
    client = visit.client(endpoint, output)
    standing = client.recovery_standing()
    found = _owner_of(share, standing)
    client.rehearse_recovery(found.name, prove_rehearsal(rehearsal_verifier(share), found.name, standing.nonce))
    after = client.recovery_standing()
    shown = sum(1 for one in after.owners if one.rehearsed)
    document = {"owner": found.name, "rehearsed": shown, "needed": after.needed, "enough": shown >= after.needed}
    enough = "enough to recover" if shown >= after.needed else f"{after.needed} are needed to recover"
    text = f"OK  {found.name} can open the share; {shown} of {len(after.owners)} have shown it, {enough}"
    output.result(document, text)


@recovery.command(name="public-key")
@endpoint_argument
@insecure_option
@visits
@reports
def public_key(output: Output, endpoint: str, visit: Visit) -> None:
    """Verify the coordinator, then print the key with which an owner elsewhere encrypts a share for it.

    It is good until the coordinator is recovered or restarted.

    \b
    enclasp recovery public-key localhost:4433 --reference reference.yaml --out coordinator.pub
    enclasp recovery public-key localhost:4433 --reference reference.yaml -o json
    """
    from coordinator.recovery.owner_key import decode_owner_key
    from pki.pem import pem_block

    spki = visit.client_in_any_state(endpoint, output).recovery_public_key()
    decode_owner_key(spki)
    pem = pem_block("PUBLIC KEY", spki)
    output.result({"algorithm": "RSA", "publicKey": pem}, pem)


@recovery.command(name="encrypt-share")
@share_argument
@click.option("--coordinator-key", type=FILE, required=True, help="What `enclasp recovery public-key` wrote.")
@owner_options
@reports
def encrypt_share(output: Output, file: Path, coordinator_key: Path, owner: OwnerOptions) -> None:
    """Offline: open your share with your key, and encrypt it for the coordinator that waits.

    \b
    enclasp recovery encrypt-share shares.json --key alice.key --coordinator-key coordinator.pub --out share.enc
    enclasp recovery encrypt-share shares.json --key alice.key --coordinator-key coordinator.pub -o json
    """
    import base64

    from coordinator.recovery.owner_key import parse_owner_key, seal_for

    _refuse_existing(output)
    share = open_share(file, owner, owner.opener())
    envelope = seal_for(parse_owner_key(read_input(coordinator_key)), share)
    output.result({"encrypted": base64.b64encode(envelope).decode()}, envelope)


@recovery.command(name="sign-share")
@share_argument
@click.option("--state", "state_file", type=FILE, help="Sign for one state only: `enclasp recovery show -o json`.")
@owner_options
@reports
def sign_share(output: Output, file: Path, state_file: Path | None, owner: OwnerOptions) -> None:
    """Offline: sign your share with your key, so that somebody else can pass it on.

    \b
    enclasp recovery sign-share shares.json --key alice.key --out share.sig
    enclasp recovery sign-share shares.json --key alice.key --state standing.json --out share.sig
    """
    import base64

    from coordinator.recovery.statement import statement

    _refuse_existing(output)
    opener = owner.opener()
    share = open_share(file, owner, opener)
    message = share if state_file is None else statement(_read_waiting(state_file)[0], share)
    signature = opener.prove(message, share)
    output.result({"signature": base64.b64encode(signature).decode()}, signature)


def _refuse_existing(output: Output) -> None:
    """As MarbleRun's offline commands do: what is there may be another owner's (contract 6.2)."""
    if output.out is not None and output.out.exists():
        raise Problem(f"{output.out}: exists", exit_codes.INVALID, "U501", "choose another name, or remove it")


def _owner_of(share: bytes, standing: "RecoveryStanding") -> "OwnerStanding":
    import hashlib

    digest = hashlib.sha256(share).hexdigest()
    found = next((owner for owner in standing.owners if owner.share == digest), None)
    if found is None:
        message = "this share opens, but recovers nothing here: its hash is none of those that the coordinator expects"
        raise Problem(message, exit_codes.REFUSED, "R423")
    return found


def _approval(opener: "Opener", share: bytes, state: "WaitingState", doubt: str, nonce: bytes) -> bytes:
    """An owner's signature; of a key that signs nothing, what only the share's holder can make."""
    from coordinator.recovery.approval import approval_statement
    from coordinator.recovery.rehearsal import rehearsal_verifier

    return opener.prove(approval_statement(state, doubt, nonce), rehearsal_verifier(share))


def _read_waiting(file: Path) -> "tuple[WaitingState, str, bytes]":
    """A state that waits, why it may not be the newest (empty for nothing), and what its approvals answer."""
    import base64
    import json

    from coordinator.client.recovery import read_state

    try:
        document = json.loads(read_input(file))
        state, doubt = read_state(document["state"]), str(document.get("doubt") or "")
        nonce = base64.b64decode(document.get("nonce") or "", validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        state = None
    if state is None:
        message = f"{file}: expected what `enclasp recovery show -o json` writes while a state waits"
        raise Problem(message, exit_codes.INVALID, "R426")
    return state, doubt, nonce


def _document(standing: "RecoveryStanding") -> dict[str, Any]:
    import base64

    from coordinator.wire.recovery import state_document

    return {
        "needed": standing.needed,
        "owners": [
            {"name": o.name, "key": o.key, "share": o.share, "rehearsed": o.rehearsed or None, "given": o.given}
            for o in standing.owners
        ],
        "remaining": standing.remaining if standing.state is not None else None,
        "state": None if standing.state is None else state_document(standing.state),
        "doubt": standing.doubt or None,
        "nonce": base64.b64encode(standing.nonce).decode() if standing.doubt else None,
    }


def _table(standing: "RecoveryStanding") -> str:
    from coordinator.manifest.words import printable
    from coordinator.recovery.statement import describe

    lines = [f"{standing.needed} of {len(standing.owners)} owners recover this coordinator's state"]
    for owner in standing.owners:
        if standing.state is not None:
            said = "has approved" if standing.doubt else "has given the share"
            what = said if owner.given else "is awaited"
        else:
            what = f"rehearsed {owner.rehearsed}" if owner.rehearsed else "never rehearsed"
        lines.append(f"  {printable(owner.name)}  key {owner.key[:16]}…  {what}")
    if standing.state is not None:
        lines.append(f"waiting: {describe(standing.state)}; {standing.remaining} more needed")
    if standing.doubt:
        lines.append(f"it may not be the newest, and waits for approval: {printable(standing.doubt)}")
    return "\n".join(lines)
