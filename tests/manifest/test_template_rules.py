"""What templates may do, what they may not, and how a mistake is told."""

from typing import Any

import pytest

from coordinator.manifest.template.render import ALL_SECRETS, Place, Template, TemplateError
from coordinator.manifest.template.values import SecretValue

KEY = SecretValue("symmetric-key", size=128, public=b"\x01\x02", private=b"\x01\x02")
NOTE = SecretValue("plain", user_defined=True, public=b"note", private=b"note")
EMPTY = SecretValue("plain", user_defined=True)


def context(**secrets: SecretValue) -> dict[str, Any]:
    return {
        "Secrets": secrets or {"key": KEY, "note": NOTE, "empty": EMPTY},
        "Previous": {"Secrets": {}},
        "MarbleRun": {},
    }


def render(text: str, place: Place = Place.FILE, **secrets: SecretValue) -> str:
    return Template.parse(text.encode(), place).render(context(**secrets), place).decode()


def refuse(text: str, place: Place = Place.FILE, **secrets: SecretValue) -> TemplateError:
    with pytest.raises(TemplateError) as refusal:
        render(text, place, **secrets)
    return refusal.value


def test_a_value_without_actions_is_copied_byte_for_byte() -> None:
    source = bytes(range(256))
    assert Template.parse(source, Place.FILE).render({}, Place.FILE) == source


def test_bytes_outside_utf8_around_an_action_are_kept() -> None:
    template = Template.parse(b"\xff\xfe{{ hex .Secrets.key }}\x80", Place.FILE)
    assert template.render(context(), Place.FILE) == b"\xff\xfe0102\x80"


def test_raw_gives_the_very_bytes() -> None:
    key = SecretValue("symmetric-key", public=b"\x00\xff\xfe", private=b"\x00\xff\xfe")
    template = Template.parse(b"{{ raw .Secrets.key }}", Place.FILE)
    assert template.render(context(key=key), Place.FILE) == b"\x00\xff\xfe"


def test_a_plain_value_leaves_braces_alone() -> None:
    assert Template.plain(b"{{ x }}", Place.ENV).render({}, Place.ENV) == b"{{ x }}"


def test_functions_of_the_other_place_are_refused_with_advice() -> None:
    assert render("{{ raw .Secrets.key }}", Place.FILE) == "\x01\x02"
    error = refuse("{{ raw .Secrets.key }}", Place.ENV)
    assert (error.position, error.width) == (3, 3)
    assert "Env" in error.hint
    assert render("{{ string .Secrets.note }}", Place.ENV) == "note"
    assert "Files" in refuse("{{ string .Secrets.note }}", Place.FILE).hint


@pytest.mark.parametrize("function", ["hex", "base64", "raw"])
def test_an_empty_secret_is_an_error_in_every_function(function: str) -> None:
    assert render(f"{{{{ {function} .Secrets.key }}}}")
    assert "no value" in refuse(f"{{{{ {function} .Secrets.empty }}}}").message


def test_an_empty_part_is_an_error_for_pem() -> None:
    assert "no value" in refuse("{{ pem .Secrets.empty.Private }}").message


def test_an_undefined_secret_is_an_error_in_a_function_and_no_value_outside() -> None:
    assert render("{{ .Secrets.nope }}") == "<no value>"
    assert render("{{ if .Secrets.nope }}a{{ else }}b{{ end }}") == "b"
    error = refuse("{{ hex .Secrets.kye }}")
    assert error.message == "hex: the secret does not exist"
    assert error.hint == 'did you mean "key"?'
    assert (error.position, error.width) == (7, len(".Secrets.kye"))


def test_the_part_of_an_undefined_secret_does_not_exist_either() -> None:
    assert "does not exist" in refuse("{{ pem .Secrets.nope.Cert }}").message


def test_pem_takes_a_part_and_not_the_whole() -> None:
    assert render("{{ pem .Secrets.key.Private }}").startswith("-----BEGIN PRIVATE KEY-----\nAQI=\n")
    assert ".Private" in refuse("{{ pem .Secrets.key }}").hint


def test_a_symmetric_key_has_no_certificate() -> None:
    assert "no certificate" in refuse("{{ pem .Secrets.key.Cert }}").message
    assert "no certificate" in refuse("{{ .Secrets.key.Cert.NotAfter }}").message


def test_an_unknown_field_names_the_nearest_one() -> None:
    assert "Size" in refuse("{{ .Secrets.key.size }}").hint
    assert "Secrets" in refuse("{{ hex .secrets.key }}").hint


def test_a_whole_secret_is_never_printed() -> None:
    error = refuse("{{ .Secrets.key }}")
    assert "no text of its own" in error.message
    assert "0102" not in str(error)


def test_a_representation_of_a_secret_hides_its_bytes() -> None:
    assert repr(SecretValue("plain", public=b"hush", private=b"hush")) == "SecretValue(type='plain')"


def test_environment_variables_cannot_hold_nul() -> None:
    text = 'x{{ "\\u0000" }}'
    assert render(text, Place.FILE) == "x\0"
    assert "NUL" in refuse(text, Place.ENV).message


def test_comments_and_trim_markers_leave_nothing() -> None:
    assert render("a {{- /* b */ -}} c") == "ac"
    assert "unclosed comment" in refuse("a {{/* b").message


def test_a_comment_needs_its_own_action() -> None:
    assert refuse("{{ /* b */ }}").position == 3


def test_a_template_may_define_others_and_use_them() -> None:
    text = '{{ define "kv" }}{{ .Type }}={{ .Size }};{{ end }}{{ range .Secrets }}{{ template "kv" . }}{{ end }}'
    assert render(text, a=KEY, b=NOTE) == "symmetric-key=128;plain=0;"
    assert render('{{ block "b" 1 }}{{ . }}{{ template "c" }}{{ end }}{{ define "c" }}!{{ end }}') == "1!"


def test_a_template_that_is_not_defined_is_refused_where_it_is_used() -> None:
    error = refuse('a{{ template "x" . }}{{ define "y" }}{{ end }}')
    assert (error.position, error.message, error.hint) == (4, 'template "x" is not defined', "defined templates: y")


def test_a_template_is_defined_once_and_at_the_top() -> None:
    assert "twice" in refuse('{{ define "x" }}a{{ end }}{{ define "x" }}b{{ end }}').message
    assert render('{{ define "x" }} {{ end }}{{ define "x" }}b{{ end }}{{ template "x" }}') == "b"
    assert "inside" in refuse('{{ if true }}{{ define "x" }}{{ end }}{{ end }}').message


def test_variables_stay_outside_of_a_defined_template() -> None:
    assert render('{{ $a := 1 }}{{ template "x" $a }}{{ define "x" }}{{ $ }}{{ end }}') == "1"
    assert "undefined variable $a" in refuse('{{ $a := 1 }}{{ define "x" }}{{ $a }}{{ end }}').message


def test_there_is_nothing_to_call() -> None:
    assert "no function" in refuse("{{ call .Secrets.key }}").message
    assert "nil is no command" in refuse("{{ nil }}").message


def test_templates_cannot_call_each_other_for_ever() -> None:
    endless = '{{ define "x" }}{{ template "y" . }}{{ end }}{{ define "y" }}{{ template "x" . }}{{ end }}'
    assert "levels" in refuse(endless + '{{ template "x" . }}').message
    assert (
        render('{{ define "x" }}{{ if . }}{{ template "x" (slice . 1) }}{{ end }}.{{ end }}{{ template "x" "abc" }}')
        == "...."
    )


def test_a_width_cannot_fill_the_memory() -> None:
    assert "output" in refuse('{{ range 100 }}{{ printf "%999999d" 1 }}{{ end }}').message
    assert "characters" in refuse('{{ printf "' + "%999999[1]s" * 20 + '" "a" }}').message


def test_a_text_cannot_be_doubled_until_the_memory_is_full() -> None:
    assert "one value" in refuse('{{ $x := "xxxxxxxxxx" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}').message
    line = "x" * 100_000
    assert "steps" in refuse('{{ range 1000 }}{{ $x := html "' + line + '" }}{{ end }}').message


def test_variables_live_to_the_end_of_their_block() -> None:
    assert render("{{ $a := 1 }}{{ if true }}{{ $a = 2 }}{{ $b := 3 }}{{ $b }}{{ end }}{{ $a }}") == "32"
    assert "undefined variable $b" in refuse("{{ if true }}{{ $b := 3 }}{{ end }}{{ $b }}").message


def test_break_and_continue_belong_to_a_range() -> None:
    loop = "{{ range $i, $e := .Secrets.key.Private }}{{ if eq $i 0 }}{{ continue }}{{ end }}{{ $e }}{{ end }}"
    assert render(loop) == "2"
    assert "outside of range" in refuse("{{ break }}").message


def test_a_range_over_nothing_uses_else() -> None:
    assert render("{{ range .Secrets.nope }}a{{ else }}b{{ end }}") == "b"


def test_and_or_stop_at_the_first_value_that_decides() -> None:
    assert render("{{ or 1 (hex .Secrets.nope) }}{{ and 0 (hex .Secrets.nope) }}") == "10"


def test_a_template_cannot_run_for_ever() -> None:
    assert "steps" in refuse("{{ range 2000000 }}{{ end }}").message


def test_a_template_cannot_grow_without_limit() -> None:
    line = "x" * 100_000
    assert "output" in refuse("{{ range 1000 }}" + line + "{{ end }}").message


def test_nesting_is_limited() -> None:
    deep = 65
    assert "nesting" in refuse("{{ " + "(" * deep + "1" + ")" * deep + " }}").message
    assert render("{{ " + "(" * 60 + "1" + ")" * 60 + " }}") == "1"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("plain", set()),
        ("{{ hex .Secrets.a }}{{ pem .Secrets.b.Cert }}", {"a", "b"}),
        ('{{ hex (index .Secrets "a-b") }}', {"a-b"}),
        ("{{ hex .Previous.Secrets.a }}", {"a"}),
        ("{{ with .Secrets.a }}{{ .Size }}{{ hex . }}{{ end }}", {"a"}),
        ("{{ range 3 }}{{ hex $.Secrets.a }}{{ end }}", {"a"}),
        ("{{ $s := .Secrets.a }}{{ hex $s }}", {"a"}),
        ("{{ .Secrets.a.Private | hex | print }}", {"a"}),
        ("{{ pem .MarbleRun.RootCA.Cert }}", set()),
        ('{{ define "x" }}{{ hex .Secrets.a }}{{ hex $.Secrets.b }}{{ end }}{{ template "x" . }}', {"a", "b"}),
        ('{{ define "x" }}{{ hex . }}{{ template "x" . }}{{ end }}{{ template "x" .Secrets.a }}', {"a"}),
        ('{{ block "x" $ }}{{ if true }}{{ hex .Secrets.a }}{{ end }}{{ end }}', {"a"}),
        ('{{ define "never" }}{{ hex .Secrets.a }}{{ end }}', set()),
    ],
)
def test_the_secrets_that_a_template_uses_are_known_before_it_runs(text: str, names: set[str]) -> None:
    assert Template.parse(text.encode(), Place.FILE).secrets == names


@pytest.mark.parametrize(
    "text",
    [
        "{{ range .Secrets }}{{ end }}",
        "{{ len .Secrets }}",
        "{{ $x := . }}",
        "{{ with $ }}{{ end }}",
        "{{ .Previous }}",
        "{{ index .Secrets (print `a`) }}",
        '{{ define "x" }}{{ range .Secrets }}{{ end }}{{ end }}{{ template "x" . }}',
        '{{ define "x" }}{{ end }}{{ template "x" .Secrets }}',
    ],
)
def test_a_use_that_may_be_any_secret_means_all(text: str) -> None:
    assert Template.parse(text.encode(), Place.FILE).secrets == ALL_SECRETS


def test_certificate_fields_are_those_of_go(certificate_der: bytes) -> None:
    web = SecretValue("cert-ecdsa", cert_der=certificate_der, public=b"p", private=b"k")

    def shown(path: str) -> str:
        return render(f"{{{{ {path} }}}}", web=web)

    assert shown(".Secrets.web.Cert.NotAfter") == "2035-02-03 04:05:06 +0000 UTC"
    assert shown(".Secrets.web.Cert.NotAfter.Month") == "February"
    assert shown(".Secrets.web.Cert.DNSNames") == "[localhost]"
    assert shown("index .Secrets.web.Cert.IPAddresses 0") == "127.0.0.1"
    assert shown(".Secrets.web.Cert.KeyUsage") == "KeyUsage(33)"
    assert shown("hex .Secrets.web.Cert.Raw") == certificate_der.hex()
    assert "no field" in refuse("{{ .Secrets.web.Cert.PolicyIdentifiers }}", web=web).message
