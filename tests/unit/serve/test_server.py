from __future__ import annotations

import socket

from llmood.serve.server import bound


def test_no_part_of_an_answer_waits_for_the_one_before() -> None:
    with (
        bound("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
