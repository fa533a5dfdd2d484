"""Paths of the proxy: which of them are scored, and which may go to the upstream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from llmood.errors import ConfigError
from llmood.serve.answers import RequestError

Kind = Literal["chat", "completions"]
SCORED: Mapping[str, Kind] = {"/v1/chat/completions": "chat", "/v1/completions": "completions"}
VERSION = "/v1"
MOST_ESCAPES = 3  # of escapes of escapes


def base_of(url: str) -> tuple[str, str]:
    """Scheme and host of an upstream, and the path that its `/v1` stands under.

    >>> base_of("http://localhost:8000/v1"), base_of("https://host/models/")
    (('http://localhost:8000', ''), ('https://host', '/models'))

    Raises:
        ConfigError: it is no address of a server.
    """
    parts = _parts_of(url)
    if parts is None:
        raise ConfigError(f"--upstream {url}: is no address", hint="such as http://localhost:8000/v1")
    if "@" in parts.netloc:  # and everybody who lists processes would see it
        raise ConfigError("--upstream: holds a user or a password", hint="give a key with --upstream-key-env")
    if parts.query or parts.fragment:
        raise ConfigError(f"--upstream {url}: has more than a path", hint="leave out what follows it")
    path = parts.path.rstrip("/").removesuffix(VERSION).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}", path


def _parts_of(url: str) -> SplitResult | None:
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_one else None


def target_of(base: str, raw_path: bytes, query: bytes) -> bytes:
    """What is asked of the upstream for a path that isn't scored.

    >>> target_of("/models", b"/v1/models", b"a=1")
    b'/models/v1/models?a=1'

    Raises:
        RequestError: servers may read the path as another one.
    """
    if not all(0x21 <= byte <= 0x7E for byte in raw_path + query):
        raise _refused("holds bytes that no path has")
    plain = _plain(raw_path)
    if not plain.startswith(b"/") or b"\\" in plain or any(byte < 0x20 or byte == 0x7F for byte in plain):
        raise _refused("holds what no path does")
    segments = [segment.partition(b";")[0] for segment in plain.split(b"/")[1:]]
    if any(segment in (b".", b"..") for segment in segments) or b"" in segments[:-1]:
        raise _refused("leads elsewhere than it says")
    read = b"/" + b"/".join(segments).rstrip(b"/").lower()
    if read.decode("latin-1") in SCORED and raw_path.decode("latin-1") not in SCORED:
        raise RequestError(404, f"there is no such path; did you mean {read.decode()}?", "not_found")
    return base.encode() + raw_path + (b"?" + query if query else b"")


def _plain(path: bytes) -> bytes:
    """A path without escapes, nor escapes of escapes."""
    for _ in range(MOST_ESCAPES):
        found = unquote_to_bytes(path)
        if found == path:
            return path
        path = found
    raise _refused("is escaped too often")


def _refused(why: str) -> RequestError:
    return RequestError(400, f"the path {why}", "bad_path")
