"""What the proxy does to a wire is what it says: without that, a scenario proves nothing."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import pytest
from tests.faults.proxy import DRIP_SECONDS, Fault, Proxy
from tests.faults.run import wait_until

ASKED, ANSWER = b"PUT /thing", b"0123456789" * 100
SILENCE_SECONDS = 0.3


class Server:
    """Answers whatever it is asked, and notes what that was."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        Thread(target=self.serve, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):  # it was closed before
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self.listener.close()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed
                return
            Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client: socket.socket) -> None:
        with client:
            try:
                while said := client.recv(65_536):
                    self.asked.append(said)
                    client.sendall(ANSWER)
            except OSError:  # reset
                return


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        client.sendall(b"GET /first")
        assert receive(client, len(ANSWER)) == ANSWER
        yield client


def receive(client: socket.socket, size: int) -> bytes:
    """So many bytes, or those that came before the end."""
    came = b""
    while len(came) < size and (more := client.recv(size - len(came))):
        came += more
    return came


def hears_nothing(client: socket.socket) -> bool:
    client.settimeout(SILENCE_SECONDS)
    try:
        return not client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)


class TestAStrike:
    def test_cuts_and_passes_what_it_held(
        self, proxy: Proxy, client: socket.socket, server: Server
    ) -> None:
        with proxy.struck(Fault.CUT):
            client.sendall(ASKED)
            assert hears_nothing(client)
            assert ASKED not in server.asked

        assert receive(client, len(ANSWER)) == ANSWER
        assert ASKED in server.asked

    @pytest.mark.parametrize("_", range(10))  # two threads race for it
    def test_forgets_what_it_held_where_it_is_reset(
        self, proxy: Proxy, client: socket.socket, server: Server, _: int
    ) -> None:
        with proxy.struck(Fault.CUT) as cut:
            client.sendall(ASKED)
            wait_until(lambda: cut.hits > 0, "the proxy holds it", 5)
            with proxy.struck(Fault.RESET), pytest.raises(ConnectionResetError):
                client.recv(1)
        server.close()

        assert ASKED not in server.asked

    def test_resets_before_the_question_arrives(
        self, proxy: Proxy, client: socket.socket, server: Server
    ) -> None:
        with proxy.struck(Fault.RESET, upon=b"PUT"):
            client.sendall(ASKED)
            with pytest.raises(ConnectionResetError):
                client.recv(1)

        assert ASKED not in server.asked

    def test_resets_what_is_idle(self, proxy: Proxy, client: socket.socket) -> None:
        with proxy.struck(Fault.RESET), pytest.raises(ConnectionResetError):
            client.recv(1)

    def test_holds_the_answer_alone(
        self, proxy: Proxy, client: socket.socket, server: Server
    ) -> None:
        with proxy.struck(Fault.ONE_WAY):
            client.sendall(ASKED)
            assert hears_nothing(client)
            assert ASKED in server.asked

        assert receive(client, len(ANSWER)) == ANSWER

    def test_slows_down(self, proxy: Proxy, client: socket.socket) -> None:
        with proxy.struck(Fault.SLOW):
            begun = time.monotonic()
            client.sendall(ASKED)
            assert receive(client, len(ANSWER)) == ANSWER
            assert time.monotonic() - begun > DRIP_SECONDS / 2  # between two drips of the answer

    def test_passes_half_an_answer(self, proxy: Proxy, client: socket.socket) -> None:
        with proxy.struck(Fault.HALF, upon=b"PUT"):
            client.sendall(ASKED)
            with pytest.raises(ConnectionResetError):
                receive(client, len(ANSWER))

    def test_loses_the_answer_after_the_effect(
        self, proxy: Proxy, client: socket.socket, server: Server
    ) -> None:
        with proxy.struck(Fault.LOST, upon=b"PUT"):
            client.sendall(ASKED)
            with pytest.raises(ConnectionResetError):
                client.recv(1)

        assert ASKED in server.asked

    def test_spares_what_it_does_not_wait_for(self, proxy: Proxy, client: socket.socket) -> None:
        with proxy.struck(Fault.RESET, upon=b"DELETE") as strike:
            client.sendall(ASKED)
            assert receive(client, len(ANSWER)) == ANSWER

        assert strike.hits == 0

    def test_hits_as_often_as_it_is_told(self, proxy: Proxy) -> None:
        with proxy.struck(Fault.LOST, upon=b"PUT", times=2) as strike:
            for survives in (False, False, True):
                with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
                    client.sendall(ASKED)
                    if survives:
                        assert receive(client, len(ANSWER)) == ANSWER
                    else:
                        with pytest.raises(ConnectionResetError):
                            client.recv(1)

        assert strike.hits == proxy.hits[Fault.LOST] == 2


class TestAProxy:
    def test_refuses_who_would_reach_nobody(self, proxy: Proxy, server: Server) -> None:
        server.close()

        with (
            pytest.raises(ConnectionResetError),  # it may come before the connection is ours
            socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client,
        ):
            client.recv(1)
