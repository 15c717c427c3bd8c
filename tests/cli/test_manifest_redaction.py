"""No template can make `manifest test` show a secret."""

import base64
import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.cli.manifest_redaction import redact
from coordinator.cli.manifest_rehearsal import Rehearsal
from coordinator.manifest.model import Marble, Parameters
from coordinator.manifest.parse import parse
from coordinator.manifest.template.render import Place, Template

DOCUMENT = {
    "Packages": {"web": {"TDX": {"MRTD": "11" * 48}}},
    "Marbles": {"web": {"Package": "web", "Parameters": {"Env": {"ALL": "{{ range .Secrets }}{{ end }}"}}}},
    "Secrets": {
        "tiny": {"Type": "symmetric-key", "Size": 8},
        "own": {"Type": "symmetric-key", "Size": 256},
        "shared": {"Type": "symmetric-key", "Size": 128, "Shared": True},
        "site": {"Type": "cert-ecdsa", "Size": 256, "Shared": True},
        "password": {"Type": "generated-password", "Alphabet": "Printable"},
    },
}
PIECES = st.sampled_from(
    [
        "text ",
        "{{ hex .Secrets.own }}",
        "{{ base64 .Secrets.shared }}",
        "{{ raw .Secrets.own }}",
        "{{ raw .Secrets.password }}",
        "{{ raw .Secrets.tiny }}",
        "{{ pem .Secrets.site.Private }}",
        "{{ hex .Secrets.site.Private }}",
        "{{ pem .Secrets.site.Cert }}",
        "{{ pem .MarbleRun.MarbleCert.Private }}",
        "{{ .Secrets.own.Private }}",
        "{{ index .Secrets.tiny.Private 0 }}",
        "{{ range .Secrets.shared.Private }}{{ . }} {{ end }}",
        "{{ range .Secrets }}{{ hex .Private }}{{ end }}",
        "{{ base64 (slice .Secrets.own.Private 1 31) }}",
        "{{ len .Secrets.own.Private }}",
    ]
)


@cache
def rehearsed() -> tuple[Rehearsal, Marble]:
    manifest = parse(json.dumps(DOCUMENT).encode(), name="m", compatible=False).manifest
    now = datetime(2026, 6, 1, tzinfo=UTC)
    entropy = secrets.token_bytes  # noqa: TID251 - shell: draws entropy
    return Rehearsal(manifest, compatible=False, now=now, entropy=entropy), manifest.marbles["web"]


@given(st.lists(PIECES, max_size=5).map("".join))
@settings(max_examples=60, deadline=None)
def test_no_template_shows_a_secret(text: str) -> None:
    rehearsal, web = rehearsed()
    template = Template.parse(text.encode(), Place.FILE)
    marble = replace(web, parameters=Parameters({"/f": template}, {}))
    given_all = rehearsal.activate(marble, "11111111-2222-3333-4444-555555555555")
    assert not given_all.files["/f"].problem
    entropy = secrets.token_bytes  # noqa: TID251 - shell: draws entropy
    shown = redact(rehearsal, marble, given_all, entropy=entropy).files["/f"].content
    private = {name: value.private for name, value in given_all.secrets.items() if name != "tiny"}
    private["own key"] = given_all.identity.private
    for value in private.values():
        inner = base64.b64encode(value[1:31])
        numbers = "".join(f"{byte} " for byte in value).encode()
        for form in (value, value.hex().encode(), base64.b64encode(value)[:24], inner, numbers):
            assert form not in shown


def test_a_password_in_a_variable_is_shown_by_its_name() -> None:
    rehearsal, marble = rehearsed()
    template = Template.parse(b"x={{ string .Secrets.password }}", Place.ENV)
    wanted = replace(marble, parameters=Parameters({}, {"P": template}))
    given_ = rehearsal.activate(wanted, "11111111-2222-3333-4444-555555555555")
    shown = redact(rehearsal, wanted, given_, entropy=secrets.token_bytes)  # noqa: TID251 - shell: draws entropy
    assert shown.env["P"].content == b"x=<secret password>"
