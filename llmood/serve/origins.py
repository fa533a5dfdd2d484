"""Requests that a browser sends for a page which has no business here."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# What a browser sends to another site without asking that site first (the Fetch standard's simple requests).
UNASKED = frozenset({"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"})


def is_elsewhere(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a page of another site has this asked, without leave.

    >>> is_elsewhere("POST", {"host": "localhost:8080", "origin": "https://example.com"})
    True
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if method in SAFE or kind not in UNASKED or "authorization" in headers:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def is_local(host: str) -> bool:
    """Whether a `Host` is a name that only this machine goes by, or an address.

    Any other name may be one that somebody has lead here: a page of theirs, in a browser of this machine, would then
    read all that the guard says (DNS rebinding).

    >>> is_local("localhost:8080"), is_local("[::1]:80"), is_local(""), is_local("example.com")
    (True, True, True, False)
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        if name in ("", "localhost") or name.endswith(".localhost"):
            return True
        ip_address(name)
    except ValueError:
        return False
    return True
