"""The bytes of an event must last: they round-trip, and those of the first version are read for ever."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.state.events import (
    ActivationsCounted,
    Approval,
    AuthorityIssued,
    CounterRaised,
    CountersKept,
    Event,
    EventFormatError,
    EvidenceRemembered,
    Founded,
    ManifestSet,
    MarbleActivated,
    ReadApproved,
    ReadEnded,
    ReadRequested,
    SecretsRead,
    StoredSecret,
    decode_event,
    encode_event,
)

_blob = st.binary(max_size=40)
_text = st.text(max_size=20)
_secrets = st.dictionaries(_text, st.builds(StoredSecret, _blob, _blob, _blob), max_size=3)
EVENTS = st.one_of(
    st.builds(Founded, _blob, st.lists(_text, max_size=3).map(tuple)),
    st.builds(AuthorityIssued, _blob, _blob, _blob, _blob),
    st.builds(ManifestSet, st.integers(0, 2**50), _blob, st.just(1), st.booleans(), _blob, _secrets, _blob),
    st.builds(MarbleActivated, st.integers(0, 2**50), _text, _text, _blob, _text),
    st.builds(ActivationsCounted, st.dictionaries(_text, st.integers(0, 2**40), max_size=3)),
    st.builds(CounterRaised, st.integers(0, 2**50), _text, _text, _text, st.integers(0, 2**64 - 1)),
    st.builds(CountersKept, st.dictionaries(_text, st.integers(0, 2**64 - 1), max_size=3)),
    st.builds(ReadRequested, st.integers(0, 2**50), _blob, st.integers(0, 9), st.lists(_text, max_size=3).map(tuple)),
    st.builds(
        ReadApproved,
        _text,
        st.builds(Approval, st.integers(0, 2**50), _text, _blob, _blob),
        st.integers(0, 9),
        st.lists(_text, max_size=3).map(tuple),
    ),
    st.builds(ReadEnded, st.integers(0, 2**50), _text, _text, _text),
    st.builds(SecretsRead, st.integers(0, 2**50), _text, st.lists(_text, max_size=3).map(tuple)),
    st.builds(EvidenceRemembered, st.lists(_blob, max_size=3).map(tuple)),
)


@given(EVENTS)
def test_every_event_round_trips(event: Event) -> None:
    assert event == decode_event(encode_event(event))


@given(st.binary(max_size=100))
def test_no_bytes_make_the_decoder_fail_in_any_other_way(raw: bytes) -> None:
    try:
        decode_event(raw)
    except EventFormatError:
        return


def test_an_activation_of_the_first_version_is_still_read() -> None:
    recorded = bytes.fromhex(
        "0186a474797065b06d6172626c652d616374697661746564a774696d655f6d7307a66d6172626c65a3776562a475756964a175"
        "a865766964656e6365c40101a46a6f696eb4636f6d70617469626c652c206e6f206e6f6e6365"
    )
    assert MarbleActivated(7, "web", "u", b"\x01") == decode_event(recorded)


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(EventFormatError) as refused:
        decode_event(b"\x02abc")
    assert "event: expected version 01, got 02" in str(refused.value)
    assert "start that one, or a newer one still" in str(refused.value)


def _with_field(raw: bytes, name: str) -> bytes:
    return raw[:1] + msgspec.msgpack.encode(msgspec.msgpack.decode(raw[1:]) | {name: 1})


def test_a_field_of_a_newer_version_is_refused_by_name_and_never_lost() -> None:
    raw = encode_event(MarbleActivated(1, "web", "u", b"e"))
    assert decode_event(_with_field(raw, "time_ms")) == decode_event(raw)
    with pytest.raises(EventFormatError, match="unknown field `mood`"):
        decode_event(_with_field(raw, "mood"))


def test_an_event_of_a_newer_version_is_refused_by_name() -> None:
    raw = encode_event(MarbleActivated(1, "web", "u", b"e"))
    with pytest.raises(EventFormatError, match="marble-danced"):
        decode_event(raw.replace(b"marble-activated", b"marble-danced!!!"))


def test_a_field_with_its_default_is_not_written_so_that_older_versions_understand_it() -> None:
    assert b"vendor" not in encode_event(MarbleActivated(1, "web", "u", b"e"))
    assert b"vendor" in encode_event(MarbleActivated(1, "web", "u", b"e", vendor="intel"))
