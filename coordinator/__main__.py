"""`python -m coordinator`: the same as the `enclasp` command."""

from coordinator.cli.main import main

main()
