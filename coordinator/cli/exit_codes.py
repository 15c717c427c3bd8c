"""Every exit code of the command line, once.  Scripts rely on them: add, never renumber (design.md, 9)."""

from typing import Final

DONE: Final = 0
"""Yes, or done."""
BUG: Final = 1
"""A mistake of ours; the text asks for a report."""
USAGE: Final = 2
"""The command line itself is wrong."""
INVALID: Final = 3
"""The input or the manifest is invalid."""
REFUSED: Final = 4
"""Verification refused."""
OTHER_MANIFEST: Final = 5
"""Verified, but the manifest is not the expected one."""
UNREACHABLE: Final = 6
"""The other side cannot be reached, or a time-out."""
NOT_AUTHORISED: Final = 7
"""The other side does not let this user do that."""
RECOVERY: Final = 8
"""The coordinator waits for recovery."""
FINDINGS: Final = 9
"""Differences or findings, where `--exit-code` or `--strict` asks for it."""
INTERRUPTED: Final = 130
"""Stopped by the user (Ctrl-C)."""
