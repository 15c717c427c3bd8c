"""`python -m marble [--type TYPE] -- COMMAND ARGS…`"""

import argparse
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, launch; returns only if the program could not be started (exit codes: design.md, 9)."""
    parser = argparse.ArgumentParser(
        prog="python -m marble",
        description="Attest this workload to the coordinator, receive what the manifest gives it, become COMMAND.",
        epilog="environment: EDG_MARBLE_COORDINATOR_ADDR, EDG_MARBLE_TYPE, EDG_MARBLE_DNS_NAMES, EDG_MARBLE_UUID_FILE; "
        "ENCLASP_COORDINATOR_REFERENCE, _TRUST, _COLLATERAL (which coordinator to accept); "
        "ENCLASP_MARBLE_TIMEOUT (seconds)",
    )
    parser.add_argument("--type", metavar="TYPE", help="marble type in the manifest (else EDG_MARBLE_TYPE)")
    parser.add_argument("command", metavar="COMMAND", nargs="+", help="program and its arguments, after --")
    given = parser.parse_args(arguments)

    from marble.launch import run

    return run(given.command, {**os.environ, "EDG_MARBLE_TYPE": given.type} if given.type else os.environ)


if __name__ == "__main__":
    sys.exit(main())
