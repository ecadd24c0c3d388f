"""Ports that others have, or want at the same time."""

import socket

from tests.estate.estate import reserve_port


def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


class TestReservePort:
    def test_gives_the_preferred_one(self) -> None:
        with listener() as once:
            free = once.getsockname()[1]

        with reserve_port(free) as held:
            assert held.getsockname()[1] == free

    def test_gives_another_where_that_is_taken(self) -> None:
        with listener() as theirs:
            taken = theirs.getsockname()[1]

            with reserve_port(taken) as held:
                assert held.getsockname()[1] not in (0, taken)

    def test_gives_no_port_twice(self) -> None:
        held = [reserve_port(0) for _ in range(50)]

        ports = {each.getsockname()[1] for each in held}

        for each in held:
            each.close()
        assert len(ports) == 50

    def test_lets_the_server_in_that_it_is_held_for(self) -> None:
        with reserve_port(0) as held, socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(held.getsockname())
            server.listen()
