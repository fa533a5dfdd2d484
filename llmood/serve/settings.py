"""How much a guard takes at once, how long it waits, and what it does about what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

OnFlag = Literal["annotate", "refuse"]
OnFailure = Literal["open", "closed"]

MESSAGE = "I can't help with that here: this question is outside of what I was made for."


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits of a guard.

    Attributes:
        queue: rows that wait at most; more are refused with 429.
        batch: rows that are scored together at most.
        latency: seconds within which a row that is taken is to be scored; what would take longer is refused with 429.
        timeout: seconds after which a request is given up, whatever it waits for.
        max_body: bytes of a request.
        max_depth: how deep JSON may be nested.
        drain: seconds that requests have to end in, once the process is asked to.
        token: what a client must show; None where everybody may ask.
        log_text: whether questions stand in the log.
        show_text: whether the page shows questions of others: flagged ones, and those that the detector keeps.
        local_names: whether only `localhost` and addresses are taken as `Host`, so that no page of a site whose name
            leads here is let in.
    """

    queue: int = 1024
    batch: int = 64
    latency: float = 1.0
    timeout: float = 30.0
    max_body: int = 2_000_000
    max_depth: int = 64
    drain: float = 30.0
    token: str | None = None
    log_text: bool = False
    show_text: bool = True
    local_names: bool = False


def is_this_machine(host: str) -> bool:
    """Whether a name or an address is loopback's.

    >>> is_this_machine("127.0.0.1"), is_this_machine("::1"), is_this_machine("localhost")
    (True, True, True)
    >>> is_this_machine("0.0.0.0"), is_this_machine("guard.example")
    (False, False)
    """
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Policy:
    """What follows from a decision on a question that is to go to the model, or on its answer.

    Attributes:
        on_flag: `annotate` lets it pass with the decision beside it; `refuse` answers with `message` instead.
        on_failure: where no score could be had: `open` lets it pass and says so, `closed` answers with `message`.
        message: what a refused question is answered with.
    """

    on_flag: OnFlag = "annotate"
    on_failure: OnFailure = "open"
    message: str = MESSAGE


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server that the guard stands in front of.

    Attributes:
        url: its scheme and host.
        base: the path that its `/v1` stands under.
        key: what it wants as key; None where it gets what the client shows.
        connect: seconds that a connection may take.
        timeout: seconds until an answer begins, and between two pieces of it.
    """

    url: str
    base: str = ""
    key: str | None = None
    connect: float = 10.0
    timeout: float = 600.0
