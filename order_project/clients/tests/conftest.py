"""A server that misbehaves on a real socket, for what a stub of `requests` cannot do."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class RoughServer(ThreadingHTTPServer):
    """Answers the n-th request by the n-th of `script`, and counts them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RoughHandler)
        self.script: list[Behaviour] = []
        self.heard: list[str] = []
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class RoughHandler(BaseHTTPRequestHandler):
    server: RoughServer

    def do_GET(self) -> None:
        self.server.heard.append(self.path)
        self.server.script.pop(0)(self)

    do_POST = do_GET  # noqa: N815, the name that http.server looks for

    def log_message(self, *args: Any) -> None:
        """Be quiet."""


def answer(body: bytes, status: int = 200, *, length: int | None = None) -> Behaviour:
    """Send this; `length` may promise more than the body has."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(length or len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing, and close."""


def stay_silent(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing until the test is over."""
    handler.server.over.wait()  # type: ignore[attr-defined]


@pytest.fixture
def rough_server() -> Iterator[RoughServer]:
    server = RoughServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()
