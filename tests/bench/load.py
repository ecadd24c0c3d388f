"""Clients that ask one service as fast as it answers, each over connections of its own."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.bench.figures import percentile


@dataclass(kw_only=True)
class Load:
    """What the clients saw."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        return 1000 * percentile(self.latencies, percent)


def request(
    method: str, url: str, *, token: str = "", body: bytes = b"", headers: str = ""
) -> bytes:
    """The bytes of a request after which the server hangs up."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Connection: close",
        "Accept: application/json",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n" + headers + "\r\n").encode() + body


def ask(address: tuple[str, int], message: bytes) -> int:
    """The status of the answer, once all of it has come."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(message)
        head = connection.recv(65_536)
        while connection.recv(65_536):
            pass
    return int(head.split(b" ", 2)[1])


def hammer(url: str, write: Callable[[int], bytes], *, clients: int = 8, seconds: float) -> Load:
    """Ask for so many seconds; `write` gives a client's next request by the client's number."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    load = Load()
    lock = threading.Lock()

    def client(number: int, until: float) -> None:
        latencies, statuses = [], Counter[int]()
        while (begun := time.perf_counter()) < until:
            statuses[ask(address, write(number))] += 1
            latencies.append(time.perf_counter() - begun)
        with lock:
            load.latencies += latencies
            load.statuses += statuses

    begun = time.perf_counter()
    threads = [
        threading.Thread(target=client, args=(number, begun + seconds)) for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.seconds = time.perf_counter() - begun
    return load
