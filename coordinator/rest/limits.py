"""The longest bodies that a route takes, in bytes (design.md, 10)."""

MANIFEST_BYTES = 8 * 1024 * 1024
QUOTE_BYTES = 128 * 1024
SECRETS_BYTES = 1024 * 1024
