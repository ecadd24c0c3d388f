"""A wire between two processes that can be cut: a TCP proxy that spoils what passes through it."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

CHUNK = 65_536
DRIP_BYTES, DRIP_SECONDS = 512, 0.05  # how a slow wire passes what it is given
LOOK_SECONDS = 0.05  # how soon a held wire notices that it is whole again
LONGEST_UPON = 64  # bytes; a pattern split over two chunks is found all the same
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends RST, and forgets what waits


Pump = Callable[[], bool]


class Fault(StrEnum):
    """What can befall a wire, and what the two ends see of it."""

    CUT = "cut"  # nothing passes, and nobody is told; what was held passes when it is mended
    RESET = "reset"  # RST to both, before what was asked arrives
    ONE_WAY = "one-way"  # what is asked arrives; the answers are held until it is mended
    SLOW = "slow"  # everything passes, a few bytes at a time
    HALF = "half an answer"  # what is asked arrives; half of the answer does, then RST
    LOST = "answer lost"  # what is asked arrives and has its effect; then RST instead of the answer


@dataclass
class Strike:
    """A fault on its way: it hits connections on which `upon` is sent to the server."""

    fault: Fault
    upon: bytes
    times: int | None  # so many of them; None until it is lifted
    is_over: threading.Event = field(default_factory=threading.Event)
    hits: int = 0

    @property
    def is_spent(self) -> bool:
        return self.is_over.is_set() or (self.times is not None and self.hits >= self.times)


class Proxy:
    """Listens on a port of its own and passes all to `target`, but for what a strike spoils.

    It understands no protocol: an answer is what the server sends next on the same connection.
    Leaving the context closes everything.
    """

    def __init__(self, target: int, *, host: str = "127.0.0.1") -> None:
        self.target = (host, target)
        self.hits: Counter[Fault] = Counter()
        self._lock = threading.Lock()
        self._strikes: list[Strike] = []
        self._wires: set[Wire] = set()
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def struck(
        self, fault: Fault, *, upon: bytes = b"", times: int | None = None
    ) -> Iterator[Strike]:
        """The wire while a fault is on it: on all that passes, or where `upon` is asked.

        `times` bounds how many connections it hits. Mended at the end.
        """
        if len(upon) > LONGEST_UPON:
            raise ValueError(f"a pattern of more than {LONGEST_UPON} bytes is not looked for")
        strike = Strike(fault, upon, times)
        with self._lock:
            self._strikes.append(strike)
            idle = list(self._wires) if fault == Fault.RESET and not upon else []
        for wire in idle:  # they need not say anything to be hit
            wire.end(at_once=True)
        try:
            yield strike
        finally:
            strike.is_over.set()
            with self._lock:
                self._strikes.remove(strike)
                wires = [wire for wire in self._wires if wire.strike is strike]
            for wire in wires:
                wire.mend()

    def close(self) -> None:
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        with self._lock:
            wires = list(self._wires)
        for wire in wires:
            wire.end(at_once=True)

    def hit_by(self, said: bytes) -> Strike | None:
        """The strike that what is said to the server brings down, counted."""
        with self._lock:
            for strike in self._strikes:
                if not strike.is_spent and strike.upon in said:
                    strike.hits += 1
                    self.hits[strike.fault] += 1
                    return strike
        return None

    def standing(self) -> Strike | None:
        """A strike on everything, which needs nothing to be said."""
        with self._lock:
            whole = [each for each in self._strikes if not each.upon and not each.is_spent]
        return whole[0] if whole else None

    def forget(self, wire: "Wire") -> None:
        with self._lock:
            self._wires.discard(wire)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        """Join a new connection to the server; refuse it (RST) where the server does."""
        try:
            server = socket.create_connection(self.target, timeout=5)
        except OSError:
            reset(client)
            return
        for end in (client, server):
            end.settimeout(None)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(self, client, server)
        with self._lock:
            self._wires.add(wire)
        wire.start()


class Wire:
    """One connection through the proxy, pumped by a thread each way."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.strike: Strike | None = None
        self._said = b""  # the end of what the client said last
        self._ended = threading.Event()

    def start(self) -> None:
        for pump in (self._ask, self._answer):
            threading.Thread(target=self._run, args=(pump,), daemon=True).start()

    def mend(self) -> None:
        """Go on as if nothing had been, with what was held."""
        self.strike = None

    def end(self, *, at_once: bool) -> None:
        """Close both ends: with what is under way, or by RST. Whoever is first decides."""
        with self.proxy._lock:
            if self._ended.is_set():
                return
            self._ended.set()
        for end in (self.client, self.server):
            if at_once:
                reset(end)
            else:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self.proxy.forget(self)

    def _run(self, pump: Pump) -> None:
        try:
            while not self._ended.is_set() and pump():
                pass
        except OSError:  # one of the two ends is gone, so the other is told
            self.end(at_once=True)
        else:
            self.end(at_once=False)

    def _ask(self) -> bool:
        """Pass what the client says next; False at its end."""
        chunk = self.client.recv(CHUNK)
        if not chunk:
            return False
        self._said = (self._said + chunk)[-len(chunk) - LONGEST_UPON :]
        if self.strike is None and (strike := self.proxy.hit_by(self._said)):
            self.strike, self._said = strike, b""
        fault = self._fault()
        if fault == Fault.RESET:
            self.end(at_once=True)
            return False
        self._hold(Fault.CUT)
        self._pass(self.server, chunk)
        return True

    def _answer(self) -> bool:
        """Pass what the server says next; False at its end."""
        chunk = self.server.recv(CHUNK)
        if not chunk:
            self._hold(Fault.CUT, Fault.ONE_WAY)  # nor is it told that the server hung up
            return False
        if self.strike is None:
            self.strike = self.proxy.standing()
        fault = self._fault()
        if fault == Fault.HALF:
            self.client.sendall(chunk[: max(1, len(chunk) // 2)])
        if fault in (Fault.HALF, Fault.LOST, Fault.RESET):
            self.end(at_once=True)
            return False
        self._hold(Fault.CUT, Fault.ONE_WAY)
        self._pass(self.client, chunk)
        return True

    def _fault(self) -> Fault | None:
        strike = self.strike
        return strike.fault if strike else None

    def _hold(self, *faults: Fault) -> None:
        """Wait while one of these is on the wire; what is still held when it is closed is gone."""
        while self._fault() in faults:
            if self._ended.wait(LOOK_SECONDS):
                raise OSError("closed meanwhile")

    def _pass(self, to: socket.socket, chunk: bytes) -> None:
        while self._fault() == Fault.SLOW and chunk:
            to.sendall(chunk[:DRIP_BYTES])
            chunk = chunk[DRIP_BYTES:]
            if self._ended.wait(DRIP_SECONDS):
                raise OSError("closed meanwhile")
        to.sendall(chunk)


def reset(end: socket.socket) -> None:
    """Close one end by RST."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with suppress(OSError):
        end.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
    end.close()
