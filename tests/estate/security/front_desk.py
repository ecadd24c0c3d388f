"""Hands out fresh tokens over HTTP, so that schemathesis can call as anybody at any time."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import jwt
import requests
from tests.estate.estate import Estate

PEOPLE = ("ann", "bo")  # who must not see each other's things
SERVICE_TOKEN_SECONDS = 60


class FrontDesk:
    """Tokens of Ann, Bo, Cleo and order_project, by `POST /<name>`: {"token": "..."}."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self._cleo = (estate.staff("user").login, estate.staff("user").password)
        self._lock = Lock()

    def token_for(self, name: str) -> str:
        if name.startswith("order-at-"):
            return self.service_token(name.removeprefix("order-at-"))
        return self.cleo() if name == "cleo" else self.log_in(*self.register(name))

    def register(self, name: str) -> tuple[str, str]:
        """Somebody new of this name: the one before may have been erased or renamed by chance."""
        email, password = f"{name}.{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(12)
        body = {"email": email, "name": name, "password": password}
        answer = requests.post(f"{self.estate.url('user')}/api/v1/users/", json=body, timeout=30)
        answer.raise_for_status()
        return email, password

    def log_in(self, email: str, password: str) -> str:
        body = {"email": email, "password": password}
        answer = requests.post(f"{self.estate.url('user')}/api/v1/token/", json=body, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access"])

    def cleo(self) -> str:
        """Of the staff; of another one, once the one before was erased or renamed by chance."""
        with self._lock:
            try:
                return self.log_in(*self._cleo)
            except requests.HTTPError:
                self._cleo = self.register("cleo")
                promote = "User.objects.filter(email='{}').update(is_staff=True)"
                command = "from users.models import User; " + promote.format(self._cleo[0])
                self.estate.manage("user", "shell", "--verbosity", "0", "--command", command)
                return self.log_in(*self._cleo)

    def service_token(self, audience: str) -> str:
        """A token as order_project makes it."""
        key = json.loads(self.estate.environment("order")["SIGNING_KEYS"])["keys"][0]
        now = int(time.time())
        claims = {"iss": "order", "aud": audience, "iat": now, "exp": now + SERVICE_TOKEN_SECONDS}
        return jwt.encode(claims, jwt.PyJWK(key).key, "RS256", headers={"kid": key["kid"]})


@contextmanager
def front_desk(estate: Estate) -> Iterator[str]:
    """The URL of a desk that is open as long as the context lasts."""
    desk = FrontDesk(estate)

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps({"token": desk.token_for(self.path.strip("/"))}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
