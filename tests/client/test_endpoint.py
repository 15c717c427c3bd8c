"""What a user may write as an endpoint."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.client.endpoint import Endpoint, parse_endpoint
from coordinator.client.errors import EndpointInvalid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:4433", Endpoint("localhost", 4433)),
        ("localhost", Endpoint("localhost", 4433)),
        ("https://coordinator.example.org:8443/", Endpoint("coordinator.example.org", 8443)),
        ("[::1]:4433", Endpoint("::1", 4433)),
        ("[::1]", Endpoint("::1", 4433)),
        ("::1", Endpoint("::1", 4433)),
        ("10.0.0.7:65535", Endpoint("10.0.0.7", 65535)),
    ],
)
def test_an_endpoint_is_read(text: str, expected: Endpoint) -> None:
    assert expected == parse_endpoint(text)


@pytest.mark.parametrize("text", ["", ":4433", "host:", "host:0", "host:65536", "host:http", "a b:1", "u@h:1", "[::1"])
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(EndpointInvalid, match="expected HOST:PORT, got"):
        parse_endpoint(text)


@settings(max_examples=100)
@given(st.text(max_size=40))
def test_no_text_fails_in_any_other_way_and_what_was_read_is_read_again(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except EndpointInvalid:
        return
    assert endpoint == parse_endpoint(str(endpoint))
