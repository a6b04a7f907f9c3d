"""Single values, and what other rooms must agree on with them."""

from decimal import Decimal

import pytest

from trimtab.access import keys
from trimtab.declare import values
from trimtab.declare.project import Listen, Route, Secret
from trimtab.gateway.pipeline import SURFACES


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("250ms", 0.25), ("1.5s", 1.5), ("2m", 120), ("1h", 3600), ("30d", 2_592_000), ("0.1ms", 0.0001)],
)
def test_durations(text: str, seconds: float) -> None:
    """Each unit in seconds."""
    assert values.duration(0)(text) == seconds


@pytest.mark.parametrize(
    "text", ["5", "s", "5 s", "1m30s", ".5s", "5.s", "+5s", "-5s", "1e3s", "5S", "5s\n", "\uff15s", "inf"]
)
def test_no_durations(text: str) -> None:
    """Nothing but a number and a unit."""
    with pytest.raises(values.Wrong):
        values.duration(0)(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("1KiB", 1024), ("32MiB", 33_554_432), ("2GiB", 2_147_483_648), ("1TiB", 1_099_511_627_776)],
)
def test_sizes(text: str, size: int) -> None:
    """Each unit in bytes, and back."""
    assert values.size(0, 1 << 50)(text) == size
    assert values.bytes_text(size) == text or size == 0


@pytest.mark.parametrize(
    ("text", "host", "port"), [("a:1", "a", 1), ("127.0.0.1:0", "127.0.0.1", 0), ("[::1]:65535", "::1", 65535)]
)
def test_addresses(text: str, host: str, port: int) -> None:
    """A host and a port; brackets belong to the writing of an IPv6 address, not to it."""
    assert values.listen(text) == Listen(host, port)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("http://a", "http://a"),
        ("HTTP://A.example:80/", "http://a.example:80"),
        ("https://[::1]:8000/base/", "https://[::1]:8000/base"),
        ("http://a:", "http://a"),
        ("http://a/v1x", "http://a/v1x"),
    ],
)
def test_replicas(text: str, normal: str) -> None:
    """A base URL has one form, so that the same server is not taken for two."""
    assert values.replica(text) == normal


def test_routes_and_secrets() -> None:
    """A method and a path; a kind and a place."""
    assert values.route("POST /v1/audio/speech") == Route("POST", "/v1/audio/speech")
    assert values.secret("env:A_1") == Secret("env", "A_1")
    assert values.secret("file:/run/secrets/a b") == Secret("file", "/run/secrets/a b")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\n", '"a\\n"'),
        ("x" * 100, '"' + "x" * 57 + '..."'),
        (True, "true"),
        (10**30, "a very large number"),
        (Decimal("1e999999"), "1e+999999"),
        (Decimal("NaN"), "NaN"),
        ([], "a list"),
        ({}, "a table"),
    ],
)
def test_values_are_shown_short(value: object, shown: str) -> None:
    """Whatever stands in a file can be shown in one short line."""
    assert values.show(value) == shown


def test_a_number_too_long_to_write() -> None:
    """A hexadecimal number may have more digits than Python will write."""
    assert values.show(16**5000) == "a very large number"


def test_the_gateways_own_paths() -> None:
    """No route that the gateway itself serves can be declared as pass-through."""
    assert {surface.path for surface in SURFACES} | {"/v1/models", "/health", "/ready"} == values.OWN_PATHS


def test_names_of_keys() -> None:
    """A task can match every key that can be made."""
    assert keys.NAME.pattern == values.NAME.pattern
