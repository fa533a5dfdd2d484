"""Addresses of upstreams, and paths that go there."""

from __future__ import annotations

import pytest

from llmood.errors import ConfigError
from llmood.serve.proxy_paths import base_of, target_of
from llmood.serve.proxy_upstream import end_to_end


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8000", ("http://localhost:8000", "")),
        ("http://localhost:8000/v1/", ("http://localhost:8000", "")),
        ("https://host/a/b/v1", ("https://host", "/a/b")),
        ("http://[::1]:8000/av1", ("http://[::1]:8000", "/av1")),
    ],
)
def test_bases(url: str, expected: tuple[str, str]) -> None:
    assert base_of(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://host:0",
        "http://host:99999",
        "http://[::1",
        "http://a b",
        "http://user:secret@host",
        "http://host/v1?a=1",
        "http://host/#x",
        "http://hóst",
        "http://host/\r\nx: y",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="--upstream") as raised:
        base_of(url)
    assert "secret" not in str(raised.value)


def test_targets_are_kept_to_the_letter() -> None:
    for path in (
        b"/v1/models/a%2Fb",
        b"/tokenize/",
        b"/a.b/..c/%7B",
        b"/v1/completions",
        b"/v1/completionsx",
    ):
        assert target_of("", path, b"") == path
    assert target_of("/base", b"/v1/x", b"a=//../&b=%00") == b"/base/v1/x?a=//../&b=%00"


def test_headers_of_one_connection_go_no_further() -> None:
    given = [(b"Connection", b"Keep-Alive, X-Mine"), (b"X-mine", b"1"), (b"TE", b"gzip"), (b"X-Other", b"2")]
    assert end_to_end(given) == [(b"x-other", b"2")]
