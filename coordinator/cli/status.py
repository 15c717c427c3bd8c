"""`enclasp status ENDPOINT`: in which phase is the coordinator?"""

import click

from coordinator.cli import exit_codes
from coordinator.cli.command import reports
from coordinator.cli.output import Output
from coordinator.cli.visit import Visit, endpoint_argument, unverified_client, visits


@click.command()
@endpoint_argument
@visits
@reports
def status(output: Output, endpoint: str, visit: Visit) -> int:
    """Print the coordinator's phase. Exit code 8 if it waits for recovery.

    With --reference the coordinator is verified first; without it anybody may have answered, and the output says so.

    \b
    enclasp status localhost:4433
    enclasp status localhost:4433 -o json
    """
    from coordinator.client.client import COMPATIBLE, PHASE_RECOVERY

    verified = visit.reference is not None
    if verified:
        client = visit.client(endpoint, output)
    else:
        client = unverified_client(endpoint, output, "no --reference was given")
    answer = client.status()
    document = {"code": answer.code, "message": answer.message, "mode": answer.mode, "verified": verified}
    how = "; it reads the manifest in MarbleRun's way (compatible)" if answer.mode == COMPATIBLE else ""
    output.result(document, f"{answer.code}: {answer.message}{how}")
    return exit_codes.RECOVERY if answer.code == PHASE_RECOVERY else exit_codes.DONE
