"""The command line: arguments to the rooms below, results to people and programs, errors to exit codes."""
