"""Whether the manifests describe the estate that there is, and draw its walls."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from docker.make_secrets import HERE as DOCKER
from docker.make_secrets import make_secrets, write
from tests.boundaries import deployment
from tests.boundaries.absence import give_up
from tests.boundaries.deployment import PICTURE, service_of
from tests.estate.settings import SERVICES

FILES = sorted((DOCKER / "kubernetes").glob("*.yaml"))
MANIFESTS = [manifest for file in FILES for manifest in deployment.documents(file)]
KUSTOMIZATION = deployment.load(DOCKER / "kustomization.yaml")
MADE = make_secrets()
INGRESS, MONITORING = "ingress-nginx", "monitoring"  # namespaces of others

# Who may open a connection to whom, and on which port. Whatever is not here is refused.
MAY_TALK = {
    *((INGRESS, f"{service}-web", 8000) for service in SERVICES),
    *((MONITORING, f"{service}-web", 8000) for service in SERVICES),
    *((MONITORING, process, 9102) for process in ("user-relay", "order-worker")),
    *(("order", f"{service}-web", 8000) for service in ("user", "product", "inventory")),
    ("user", "user-db", 5432),
    ("order", "order-db", 27017),
    ("product", "product-db", 3306),
    ("inventory", "inventory-db", 5432),
    ("inventory", "inventory-stock", 6379),
    ("user", "broker", 5672),
    ("order", "broker", 5672),
    ("user", "cache", 6379),
    ("order", "cache", 6379),
}


def of_kind(*kinds: str) -> dict[str, Any]:
    return {
        manifest["metadata"]["name"]: manifest
        for manifest in MANIFESTS
        if manifest["kind"] in kinds
    }


PODS = {
    name: workload["spec"]["template"]
    for name, workload in of_kind("Deployment", "Job", "StatefulSet").items()
}
OURS = {name: pod for name, pod in PODS.items() if "service" in pod["metadata"]["labels"]}
POLICIES = of_kind("NetworkPolicy")


def containers(pod: Any) -> Iterator[Any]:
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def secrets_of(pod: Any) -> set[str]:
    """The names of the secrets that a pod mounts."""
    names = set()
    for volume in pod["spec"]["volumes"]:
        for source in volume.get("projected", {}).get("sources", [volume]):
            secret = source.get("secret", {})
            names |= {secret.get("name"), secret.get("secretName")} - {None}
    return names


class TestManifests:
    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_follow_the_schema(self, file: Path):
        for manifest in deployment.documents(file):
            kubernetes_validate.validate(manifest, "1.32", strict=True)

    def test_are_all_in_the_kustomization(self):
        listed = {DOCKER / resource for resource in KUSTOMIZATION["resources"]}

        assert listed == set(FILES)

    def test_are_given_files_that_are_there_or_made(self):
        generators = KUSTOMIZATION["secretGenerator"] + KUSTOMIZATION["configMapGenerator"]
        for generator in generators:
            for entry in generator["files"]:
                file = DOCKER / entry.rpartition("=")[2]
                made = file.parent.name == "secrets" and file.name in MADE
                assert made or file.is_file(), file

    def test_render(self, tmp_path: Path):
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            give_up("kubernetes", "kubectl is not installed")
        shutil.copytree(DOCKER, tmp_path / "docker", ignore=shutil.ignore_patterns("secrets"))
        write(MADE, tmp_path / "docker" / "secrets")

        done = subprocess.run(
            [kubectl, "kustomize", tmp_path / "docker"], capture_output=True, text=True, check=False
        )

        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\nkind: Deployment\n") == len(of_kind("Deployment"))


class TestWorkloads:
    def test_are_those_of_the_compose_file(self):
        composed = deployment.compose(PICTURE)["services"]

        assert PODS.keys() == composed.keys()
        for name, pod in OURS.items():
            assert pod["spec"]["containers"][0].get("command") == composed[name].get("command")

    def test_run_the_engines_in_the_same_versions(self):
        composed = deployment.compose(PICTURE)["services"]

        for name, pod in PODS.items():
            assert {each["image"] for each in containers(pod)} == {composed[name]["image"]}

    def test_are_given_the_variables_of_the_compose_file(self):
        composed = deployment.compose(PICTURE)["services"]
        given = of_kind("ConfigMap")

        for name, pod in OURS.items():
            (container,) = pod["spec"]["containers"]
            (source,) = container["envFrom"]
            variables = given[source["configMapRef"]["name"]]["data"] | {
                entry["name"]: entry.get("value") for entry in container.get("env", [])
            }
            expected = composed[name]["environment"]
            assert variables.keys() >= expected.keys()
            for variable in expected:
                if variable.endswith(("_FILE", "_URL")):
                    assert variables[variable] == expected[variable]

    def test_find_their_secrets_where_they_are_told_to_look(self):
        made = {
            generator["name"]: {Path(entry.partition("=")[0]).name for entry in generator["files"]}
            for generator in KUSTOMIZATION["secretGenerator"]
        }
        given = of_kind("ConfigMap")

        for name, pod in OURS.items():
            mounted = set().union(*(made[secret] for secret in secrets_of(pod)))
            (container,) = pod["spec"]["containers"]
            told = {
                *given[service_of(name)]["data"].values(),
                *(entry.get("value", "") for entry in container.get("env", [])),
            }
            assert {
                value.removeprefix("/run/secrets/") for value in told if "/run/secrets/" in value
            } <= mounted, name

    def test_name_configmaps_and_secrets_that_are_there(self):
        maps = {entry["name"] for entry in KUSTOMIZATION["configMapGenerator"]}
        secrets = {entry["name"] for entry in KUSTOMIZATION["secretGenerator"]}

        for pod in PODS.values():
            assert secrets_of(pod) <= secrets
            for volume in pod["spec"]["volumes"]:
                assert volume.get("configMap", {}).get("name", "cache") in maps

    def test_are_watched_where_they_serve_pages(self):
        for service in SERVICES:
            (web,) = PODS[f"{service}-web"]["spec"]["containers"]
            hosts = of_kind("ConfigMap")[service]["data"]["ALLOWED_HOSTS"].split(",")
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = web[probe]["httpGet"]
                (host,) = asked["httpHeaders"]
                assert host["value"] in hosts
                assert asked["path"] in ("/health/live", "/health/ready")

    def test_may_be_asked_by_prometheus_at_the_address_of_each_pod(self):
        for service in SERVICES:
            (web,) = PODS[f"{service}-web"]["spec"]["containers"]
            told = {entry["name"]: entry for entry in web["env"]}
            everyone = of_kind("ConfigMap")[service]["data"]["ALLOWED_HOSTS"]
            assert told["POD_IP"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
            assert told["ALLOWED_HOSTS"]["value"] == f"{everyone},$(POD_IP)"

    def test_tell_visitors_apart_who_all_come_by_the_ingress(self):
        assert of_kind("ConfigMap")["user"]["data"]["NUM_PROXIES"] == "1"

    def test_that_are_more_than_one_are_never_all_evicted(self):
        budgets = {
            budget["spec"]["selector"]["matchLabels"]["app"]
            for budget in of_kind("PodDisruptionBudget").values()
        }
        several = {
            name
            for name, deployed in of_kind("Deployment").items()
            if deployed["spec"]["replicas"] > 1
        }

        assert budgets == several


class TestWalls:
    def test_leave_a_pod_no_powers(self):
        for name, pod in PODS.items():
            spec = pod["spec"]
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["securityContext"]["runAsUser"] > 0
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert spec["automountServiceAccountToken"] is False
            for container in containers(pod):
                context = container["securityContext"]
                assert context["allowPrivilegeEscalation"] is False
                assert context["capabilities"] == {"drop": ["ALL"]}
                assert context.get("readOnlyRootFilesystem", False) or name not in OURS

    def test_let_a_pod_know_its_own_services_secrets_alone(self):
        for name, pod in OURS.items():
            service = service_of(name)
            acts_as_owner = name in ("order-queues", f"{service}-migrate")
            owner = {f"{service}-owner"} if acts_as_owner else set()
            assert secrets_of(pod) == {service} | owner, name

    def test_let_nobody_talk_but_as_the_policies_say(self):
        everyone = POLICIES["nobody-talks"]["spec"]

        assert everyone == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        assert asked() == MAY_TALK
        assert asking() == {entry for entry in MAY_TALK if entry[0] not in (INGRESS, MONITORING)}

    def test_name_pods_by_labels_that_they_have(self):
        labels = {label for pod in PODS.values() for label in pod["metadata"]["labels"].items()}

        for policy in POLICIES.values():
            for selector in selectors(policy["spec"]):
                assert selector.items() <= labels, selector


def asked() -> set[tuple[str, str, int]]:
    """What the policies of those who are asked allow."""
    allowed = set()
    for policy in POLICIES.values():
        for rule in policy["spec"].get("ingress", []):
            (target,) = policy["spec"]["podSelector"]["matchLabels"].values()
            for peer in rule["from"]:
                (caller,) = next(iter(peer.values()))["matchLabels"].values()
                allowed |= {(caller, target, port["port"]) for port in rule["ports"]}
    return allowed


def asking() -> set[tuple[str, str, int]]:
    """What the policies of those who ask allow, but for names."""
    allowed = set()
    for name, policy in POLICIES.items():
        if name == "all-may-ask-for-names":
            continue
        for rule in policy["spec"].get("egress", []):
            (caller,) = policy["spec"]["podSelector"]["matchLabels"].values()
            for peer in rule["to"]:
                (target,) = peer["podSelector"]["matchLabels"].values()
                allowed |= {(caller, target, port["port"]) for port in rule["ports"]}
    return allowed


def selectors(spec: Any) -> Iterator[dict[str, str]]:
    """Each set of labels by which a policy names pods."""
    if isinstance(spec, dict):
        for name, value in spec.items():
            if name == "podSelector":
                yield value.get("matchLabels", {})
            else:
                yield from selectors(value)
    elif isinstance(spec, list):
        for entry in spec:
            yield from selectors(entry)
