"""TLS for both doors, and how much a stranger may cost them before anybody knows him."""
