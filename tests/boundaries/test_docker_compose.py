"""Whether the compose files describe the estate that there is, and draw its walls."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from docker.make_secrets import HERE as DOCKER
from docker.make_secrets import make_secrets, write
from tests.boundaries import deployment
from tests.boundaries.deployment import ALL_POSTGRESQL, PICTURE, secret_names, service_of
from tests.boundaries.projects import python
from tests.estate.settings import ROOT, SERVICES, USUAL_PORTS

FILES = sorted(DOCKER.glob("*.yaml"))
COMPOSE_FILES = [file for file in FILES if file.name != "kustomization.yaml"]
MADE = make_secrets()
JOBS = ("migrate", "queues", "rebuild")
# What a process may read that is another service's: what checks its signatures.
PUBLIC = {"user_public_keys", "order_public_keys"}
# Read by gunicorn and its configuration, not by settings.
SERVERS_OWN = {"WEB_CONCURRENCY"}


@pytest.fixture(scope="module", params=[PICTURE, ALL_POSTGRESQL])
def model(request: pytest.FixtureRequest) -> Any:
    return deployment.compose(request.param)


@pytest.fixture(scope="module")
def processes(model: Any) -> Any:
    return deployment.ours(model["services"])


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where secrets were made."""
    folder: Path = tmp_path_factory.mktemp("made") / "secrets"
    write(MADE, folder)
    return folder


class TestComposeFiles:
    def test_follow_the_compose_specification(self):
        schema = ["--builtin-schema", "vendor.compose-spec"]
        done = subprocess.run(
            [Path(sys.executable).with_name("check-jsonschema"), *schema, *COMPOSE_FILES],
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stdout

    def test_name_files_that_are_there_or_made(self, model: Any):
        for kind in ("configs", "secrets"):
            for entry in model[kind].values():
                file = DOCKER / entry["file"]
                made = file.parent.name == "secrets" and file.name in MADE
                assert made or file.is_file(), file
        for entry in deployment.ours(model["services"]).values():
            context = (DOCKER / entry["build"]["context"]).resolve()
            assert (context / entry["build"]["dockerfile"]).is_file()
            assert (context / entry["build"]["args"]["PROJECT"] / "manage.py").is_file()

    def test_define_all_that_their_services_name(self, model: Any):
        for name, entry in model["services"].items():
            assert set(entry["networks"]) <= model["networks"].keys(), name
            assert {config["source"] for config in entry.get("configs", [])} <= set(
                model["configs"]
            )
            assert {
                secret if isinstance(secret, str) else secret["source"]
                for secret in entry.get("secrets", [])
            } <= model["secrets"].keys(), name
            volumes = {volume.partition(":")[0] for volume in entry.get("volumes", [])}
            assert volumes <= model["volumes"].keys(), name

    def test_wait_for_what_is_healthy_or_done(self, model: Any):
        services = model["services"]

        for entry in services.values():
            for other, wait in entry.get("depends_on", {}).items():
                if wait["condition"] == "service_healthy":
                    assert "test" in services[other]["healthcheck"]
                else:
                    assert wait["condition"] == "service_completed_successfully"
                    assert services[other]["restart"] == "on-failure"

    def test_begin_with_engines_that_answer(self, model: Any, processes: Any):
        services = model["services"]

        for name in ("order-queues", *(f"{service}-migrate" for service in SERVICES)):
            (network,) = processes[name]["networks"]
            ((engine, wait),) = processes[name]["depends_on"].items()
            assert wait["condition"] == "service_healthy"
            assert engine not in processes
            assert network in services[engine]["networks"]

    def test_run_each_migration_before_what_needs_it(self, processes: Any):
        for name, entry in processes.items():
            uses_database = f"{service_of(name)}-data" in entry["networks"]
            if uses_database and not name.endswith("-migrate"):
                assert f"{service_of(name)}-migrate" in awaited(processes, name)


class TestProcesses:
    def test_are_those_of_the_procfile_with_the_same_commands(self, model: Any, processes: Any):
        commands = deployment.procfile()
        if "inventory-stock" not in model["services"]:
            del commands["inventory-ledger"]  # the SQL store writes its ledger itself

        written = {
            name: " ".join(processes[name].get("command", [])).replace("=", " ").split()
            for name in commands
        }

        assert written == {
            name: [] if name.endswith("-web") else command  # the image's own command
            for name, command in commands.items()
        }

    def test_beyond_these_are_commands_of_their_projects(self, processes: Any):
        for name in processes.keys() - deployment.procfile().keys():
            python, manage, command = processes[name]["command"]
            project = ROOT / f"{service_of(name)}_project"
            found = [*project.glob(f"*/management/commands/{command}.py")]
            assert (python, manage) == ("python", "manage.py")
            assert found or command == "migrate", name

    def test_are_given_variables_that_are_read(self, processes: Any):
        for name, entry in processes.items():
            service = service_of(name)
            settings = (ROOT / f"{service}_project/{service}_project/settings.py").read_text()
            for variable in entry["environment"].keys() - SERVERS_OWN:
                assert f'"{variable.removesuffix("_FILE")}"' in settings, variable

    def test_find_their_secrets_where_they_are_told_to_look(self, processes: Any):
        for name, entry in processes.items():
            told = {
                value.removeprefix("/run/secrets/")
                for variable, value in entry["environment"].items()
                if variable.endswith("_FILE")
            }
            assert told <= secret_names(entry), name

    def test_publish_the_four_web_ports_to_this_machine_alone(self, model: Any):
        published = {
            name: entry["ports"] for name, entry in model["services"].items() if "ports" in entry
        }

        assert published == {
            f"{service}-web": [f"127.0.0.1:{port}:8000"] for service, port in USUAL_PORTS.items()
        }

    def test_have_no_powers_and_write_nowhere_but_in_memory(self, processes: Any):
        for entry in processes.values():
            assert entry["read_only"] is True
            assert entry["tmpfs"] == ["/tmp"]  # noqa: S108  # the container's own
            assert "volumes" not in entry

    def test_drop_every_capability_like_the_engines_do(self, model: Any):
        for entry in model["services"].values():
            assert entry["cap_drop"] == ["ALL"]
            assert entry["security_opt"] == ["no-new-privileges:true"]

    def test_are_asked_for_their_health_where_they_serve_pages(self, processes: Any):
        for name, entry in processes.items():
            is_disabled = entry.get("healthcheck", {}).get("disable", False)
            assert is_disabled is not name.endswith("-web"), name


class TestWalls:
    def test_let_a_process_know_its_own_services_secrets_alone(self, processes: Any):
        for name, entry in processes.items():
            strange = {
                secret
                for secret in secret_names(entry) - PUBLIC
                if not secret.startswith(f"{service_of(name)}_")
            }
            assert strange == set(), name

    def test_let_only_jobs_act_as_owner(self, processes: Any):
        owners = {
            name
            for name, entry in processes.items()
            if any("_owner_" in secret for secret in secret_names(entry))
        }

        assert owners == {*(f"{service}-migrate" for service in SERVICES), "order-queues"}

    def test_let_one_service_into_each_data_network(self, processes: Any):
        for service in SERVICES:
            inside = {
                service_of(name)
                for name, entry in processes.items()
                if f"{service}-data" in entry["networks"]
            }
            assert inside == {service}

    def test_let_nobody_out_but_by_the_front(self, model: Any):
        outward = {
            name for name, network in model["networks"].items() if not network.get("internal")
        }

        assert outward == {"front"}
        assert {
            name for name, entry in model["services"].items() if "front" in entry["networks"]
        } == {f"{service}-web" for service in SERVICES}

    def test_keep_engines_in_the_networks_of_those_they_serve(self, model: Any):
        engines = model["services"].keys() - deployment.ours(model["services"]).keys()
        for name in engines - {"postgres"}:
            (network,) = model["services"][name]["networks"]
            assert network == {"broker": "events", "cache": "cache"}.get(
                name, f"{name.split('-')[0]}-data"
            )


class TestSettings:
    @pytest.mark.parametrize("process", ["user-web", "order-web", "product-web", "inventory-web"])
    def test_understand_what_a_container_is_given(
        self, model: Any, processes: Any, secrets: Path, process: str
    ):
        read = settings_of(process, model, secrets)

        service = service_of(process)
        database = read["DATABASES"]["default"]
        assert read["DEBUG"] is False
        # MongoDB's driver reads its URL, user and all, itself: it may name several hosts.
        user = database.get("USER") or urlsplit(database["HOST"]).username
        assert (database["NAME"], user) == (service, f"{service}_service")
        assert set(addresses(read)) <= reachable(model, processes[process])

    def test_keep_each_service_to_the_keys_that_are_its_own(self, secrets: Path):
        model = deployment.compose(PICTURE)

        prefixes = {
            f"{service}_service": settings_of(f"{service}-web", model, secrets)["CACHES"][
                "default"
            ]["KEY_PREFIX"]
            + ":"
            for service in ("user", "order")
        }
        stock = settings_of("inventory-web", model, secrets)["STOCK_PREFIX"]

        assert key_patterns("cache") == {user: f"~{prefix}*" for user, prefix in prefixes.items()}
        assert key_patterns("stock") == {"inventory_service": f"~{stock}*"}


def awaited(processes: Any, name: str) -> set[str]:
    """All that a process waits for, directly or not."""
    direct = processes[name].get("depends_on", {}).keys() & processes.keys()
    return set(direct).union(*(awaited(processes, other) for other in direct))


def settings_of(process: str, model: Any, secrets: Path) -> Any:
    """The settings of a process's project under the environment of its container."""
    service = service_of(process)
    variables = {}
    for variable, value in model["services"][process]["environment"].items():
        if variable.endswith("_FILE"):
            file = Path(model["secrets"][value.removeprefix("/run/secrets/")]["file"])
            variables[variable] = str(secrets / file.name)
        else:
            variables[variable] = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
    script = (
        f"import json; from {service}_project import settings; "
        "print(json.dumps({name: value for name, value in vars(settings).items()"
        " if name.isupper()}, default=id))"
    )
    done = python(service, "-c", script, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def addresses(settings: Any) -> list[str]:
    """Every host that a project's settings name."""
    urls = [
        settings.get(name, "")
        for name in ("BROKER_URL", "STOCK_URL", "USER_URL", "PRODUCT_URL", "INVENTORY_URL")
    ]
    caches = settings.get("CACHES", {}).get("default", {}).get("LOCATION", "")
    hosts = [urlsplit(url).hostname for url in (*urls, caches) if url]
    database = settings["DATABASES"]["default"]["HOST"]
    return [urlsplit(database).hostname or database, *filter(None, hosts)]


def reachable(model: Any, process: Any) -> set[str]:
    """The names that a container can resolve: those of all who share a network with it."""
    names = set()
    for other, entry in model["services"].items():
        for network in set(entry["networks"]) & set(process["networks"]):
            names.add(other)
            if isinstance(entry["networks"], dict):
                names.update(entry["networks"][network]["aliases"])
    return names


def key_patterns(server: str) -> dict[str, str]:
    """The keys that the ACL of a Redis leaves to each service."""
    lines = (DOCKER / f"redis/{server}.acl").read_text().splitlines()
    rules = [line.split() for line in lines if "_service " in line]
    return {words[1]: next(word for word in words if word.startswith("~")) for words in rules}
