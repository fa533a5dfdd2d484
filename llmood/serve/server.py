"""An application on a port, until somebody ends it."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from llmood.errors import ConfigError
from llmood.serve.connection import IDLE, connections
from llmood.serve.server_log import server_log

BACKLOG = 2048
MOST_CONNECTIONS = 4096
OWN_FILES = 256  # models, the event store, what is being read


def bound(host: str, port: int) -> socket.socket:
    """A socket on a port (0: any that is free), before a model loads.

    Raises:
        ConfigError: the port is taken, or the host isn't ours.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=BACKLOG)
        # asyncio does so only for sockets that name their protocol, which this one doesn't. Without it, the body of an
        # answer waits until the client has acknowledged the head, which clients put off by 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(f"--host {host} --port {port}: {why}", hint="choose another with --port") from None


def url_of(host: str, port: int) -> str:
    """The address of a server.

    >>> url_of("127.0.0.1", 8080), url_of("::1", 8080)
    ('http://127.0.0.1:8080', 'http://[::1]:8080')
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def most_connections() -> int:
    """As many as the system lets one have, each with one to the upstream behind it; its soft limit is raised for it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OWN_FILES + 2 * MOST_CONNECTIONS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, (soft - OWN_FILES) // 2))


class Server:
    """A server that ends in peace: what was begun is answered first.

    Args:
        make: the application, given what is to be called where it can't go on.
        drain: seconds that requests have to end in.
        patience: seconds that a client may take none of its answer.
        complain: told of what goes wrong below the application.
    """

    def __init__(
        self,
        make: Callable[[Callable[[BaseException], None]], FastAPI],
        listening: socket.socket,
        drain: float,
        patience: float,
        complain: Callable[[str], None],
    ) -> None:
        self._complain = complain
        self._error: BaseException | None = None
        config = uvicorn.Config(
            make(self._fail),
            log_config=None,
            access_log=False,
            server_header=False,
            http=connections(patience + 1.0),  # the application is to say first that its answer isn't taken
            ws="none",
            backlog=BACKLOG,
            limit_concurrency=most_connections(),
            timeout_keep_alive=int(IDLE),
            timeout_graceful_shutdown=int(drain),
        )
        self._server, self._listening = uvicorn.Server(config), listening

    def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C.

        Raises:
            LlmoodError: the models could not be loaded.
        """
        try:
            with server_log(self._complain):
                asyncio.run(self._server.serve(sockets=[self._listening]))
        except KeyboardInterrupt:
            if not self._server.should_exit:  # uvicorn hands on the signal that it ended by
                raise
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Take no new connection, and have `run` return once what was begun is answered. From any thread."""
        self._server.should_exit = True

    def _fail(self, error: BaseException) -> None:
        self._error = error
        self.end()
