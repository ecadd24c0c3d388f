"""Whether what is made up for the containers is complete, their own, and never committed."""

import hashlib
import json
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import pytest
from docker import make_secrets as script
from docker.make_secrets import HERE as DOCKER
from tests.estate.settings import ROOT

MADE = script.make_secrets()
URLS = {name: urlsplit(content) for name, content in MADE.items() if name.endswith("_url")}


class TestMakeSecrets:
    def test_makes_each_anew(self):
        again = script.make_secrets()

        assert again.keys() == MADE.keys()
        assert [name for name in MADE if again[name] == MADE[name]] == []

    def test_gives_each_role_of_each_server_a_password_of_its_own(self):
        servers = {"postgres": "db", "mysql": "db", "mongodb": "db", "amqp": "mq", "redis": "kv"}
        passwords = {(url.username, servers[url.scheme]): url.password for url in URLS.values()}

        assert len(set(passwords.values())) == len(passwords)

    def test_puts_the_passwords_where_the_engines_look(self):
        for name, url in URLS.items():
            assert url.password
            match url.scheme:
                case "postgres" | "mysql" | "mongodb":
                    service, _, rest = name.partition("_")
                    engine = rest.split("_")[1]
                    (roles,) = (
                        content
                        for file, content in MADE.items()
                        if file.startswith(f"{service}_{engine}.")
                    )
                    assert url.password in roles
                    assert "$" not in roles
                case "redis":
                    digest = hashlib.sha256(url.password.encode()).hexdigest()
                    acl = "stock.acl" if name.endswith("stock_url") else "cache.acl"
                    assert f"#{digest}" in MADE[acl]

    def test_makes_keys_that_check_what_is_signed(self):
        for service in ("user", "order"):
            (private,) = json.loads(MADE[f"{service}_signing_keys"])["keys"]
            (public,) = json.loads(MADE[f"{service}_public_keys"])["keys"]

            token = jwt.encode({"iss": service}, jwt.PyJWK(private).key, "RS256")

            assert jwt.decode(token, jwt.PyJWK(public), algorithms=["RS256"]) == {"iss": service}
            assert "d" not in public

    def test_closes_the_folder_to_all_but_its_owner(self, tmp_path: Path):
        folder = tmp_path / "secrets"

        script.write(MADE, folder)

        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o444}
        assert {file.name: file.read_text() for file in folder.iterdir()} == MADE

    def test_never_overwrites_what_is_in_use(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(script, "FOLDER", tmp_path)

        assert "remove it" in (script.main() or "")
        assert list(tmp_path.iterdir()) == []


class TestRepository:
    def test_keeps_no_secret(self):
        ignored = subprocess.run(
            ["git", "check-ignore", "--quiet", DOCKER / "secrets" / "user_secret_key"],  # noqa: S607
            cwd=ROOT,
            check=False,
        )

        assert ignored.returncode == 0

    def test_lets_nobody_in_by_the_files_as_they_are_committed(self):
        definitions = json.loads((DOCKER / "rabbitmq/definitions.json").read_text())
        acls = "".join(file.read_text() for file in (DOCKER / "redis").glob("*.acl"))

        # An empty hash matches no password, and a Redis user without one cannot log in.
        assert {user["password_hash"] for user in definitions["users"]} == {""}
        assert [line for line in acls.splitlines() if "nopass" in line] == [
            "user health on nopass +ping"
        ] * 2
