"""`enclasp recover`, `enclasp recover-with-signature`: give a share to a coordinator that waits for recovery."""

from pathlib import Path

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import FILE, read_input, reports
from coordinator.cli.output import Output
from coordinator.cli.owner import OwnerOptions, open_share, owner_options, share_argument
from coordinator.cli.problems import Problem
from coordinator.cli.visit import Visit, endpoint_argument, insecure_option, visits


@click.command()
@share_argument
@endpoint_argument
@owner_options
@insecure_option
@visits
@reports
def recover(output: Output, file: Path, endpoint: str, owner: OwnerOptions, visit: Visit) -> None:
    """Verify the coordinator, open your share in FILE with your key, and give it.

    Your signature is for exactly the state that waits there; `enclasp recovery show` says which it is.

    \b
    enclasp recover shares.json localhost:4433 --key alice.key --reference reference.yaml
    enclasp recover shares.json localhost:4433 --key alice.key --reference reference.yaml -o json
    """
    from coordinator.recovery.statement import describe, statement

    opener = owner.opener()
    share = open_share(file, owner, opener)
    client = visit.client_in_any_state(endpoint, output)
    state = client.recovery_standing().state
    if state is None:
        hint = "its state is open; `enclasp recovery rehearse` shows that your share still is one of its own"
        raise Problem("the coordinator does not wait for recovery", exit_codes.INVALID, "N306", hint)
    output.remark(f"signing for {describe(state)}")
    _say(output, client.recover(share, opener.prove(statement(state, share), share), state), visit)


@click.command(name="recover-with-signature")
@share_argument
@endpoint_argument
@click.option("--signature", "-s", type=FILE, required=True, help="What `enclasp recovery sign-share` wrote.")
@click.option("--for-state", is_flag=True, help="The signature names the state that waits (sign-share --state).")
@insecure_option
@visits
@reports
def recover_with_signature(
    output: Output, file: Path, endpoint: str, signature: Path, for_state: bool, visit: Visit
) -> None:
    """Verify the coordinator, and pass on a share whose owner is elsewhere: encrypted for it, and signed.

    \b
    enclasp recover-with-signature share.enc localhost:4433 --signature share.sig --reference reference.yaml
    enclasp recover-with-signature share.enc localhost:4433 -s share.sig --for-state --reference reference.yaml
    """
    secret, signed = read_input(file), read_input(signature)
    client = visit.client_in_any_state(endpoint, output)
    state = client.recovery_standing().state if for_state else None
    _say(output, client.recover(secret, signed, state), visit)


def _say(output: Output, remaining: int, visit: Visit) -> None:
    text = f"share accepted, {remaining} more needed" if remaining else "recovered: the state is open, and sealed anew"
    output.result({"remaining": remaining, "recovered": remaining == 0, "verified": not visit.insecure}, text)
