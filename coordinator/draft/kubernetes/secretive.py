"""What looks like a secret, and whether the Coordinator can make a new one in its place."""

import re
from typing import Final


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable, key or option holds a secret, by its name or by what it holds."""
    if "PRIVATE KEY-----" in value:
        return True
    return bool(value) and not value.startswith("/") and bool(_SECRET.search(name))


def password_in_url(value: str) -> tuple[int, int] | None:
    """Start and end of a password in a URL: `scheme://user:PASSWORD@host`."""
    match = _URL.search(value)
    return match.span("password") if match else None


def can_be_made(name: str) -> bool:
    """Whether a new random value does as well: a password or key between the services themselves.

    What somebody else's service gave (tokens, API keys, licences), and names and addresses, cannot be made up.
    """
    return bool(_MADE.search(name)) and not _GIVEN.search(name)


_SECRET: Final = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|REQUIREPASS|MASTERAUTH)$"
    r"|(?:^|[_.-])(?:PASS|PWD|CREDENTIALS?|DSN)$"
    r"|(?:ACCESS|PRIVATE|ENCRYPTION|SIGNING|SECRET|MASTER|SESSION|COOKIE|AUTH|JWT|HMAC)[_.-]?(?:KEY|SALT)(?:[_.-]?BASE)?$",
    re.IGNORECASE,
)
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:(?P<password>[^\s/@$%{<][^\s/@]*)@")
_MADE: Final = re.compile(r"PASS|PWD|SECRET|KEY|SALT|COOKIE|SESSION|JWT|HMAC", re.IGNORECASE)
_GIVEN: Final = re.compile(
    r"API_?-?KEY|TOKEN|DSN|CLIENT|ACCESS|LICEN[SC]E|WEBHOOK|EXTERNAL|PUBLIC|PRIVATE|CERT|(?:URL|URI|USER|USERNAME|LOGIN|CA)$"
    r"|AWS|AZURE|GCP|GOOGLE|STRIPE|PAYPAL|SMTP|MAIL|TWILIO|SENDGRID|SLACK|GITHUB|GITLAB|OPENAI|ANTHROPIC|SENTRY|DATADOG"
    r"|NEW_?RELIC|OAUTH|OIDC|SAML|LDAP|S3|DOCKER|REGISTRY",
    re.IGNORECASE,
)
