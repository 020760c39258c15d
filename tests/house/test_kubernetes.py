"""`kubernetes/` is valid, and starts the services as Compose does. No cluster is asked."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from pmcore.shell.service.container import PRESETS_FOLDER, settle_venue
from pmcore.shell.service.guard import OPEN_PATHS
from pmcore.shell.settings import known_variables
from pmcore.shell.settings.common import check_settings
from pmcore.shell.settings.presets import apply_preset
from support.kustomization import (
    DOCUMENTS,
    FOLDER,
    KUSTOMIZATION,
    SETTINGS,
    WORKLOADS,
    Document,
    container,
    literals,
    named,
    own_variables,
    pod,
    title,
)
from support.settings import all_variables, settings_of, variables_of
from support.tree import FENCE, ROOT, SERVICES

VERSION = "1.37"
COMPOSED = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
GUIDE = (ROOT / "docs/scaling.md").read_text()
ENGINE = tuple(service for service in SERVICES if service != "simulator")
WITH_DATA = tuple(
    service for service in ENGINE if f"{service}-data:/data" in COMPOSED[service]["volumes"]
)
SECRETS = "/run/secrets/pm"
IS_SECRET = {
    name.removesuffix("_FILE")
    for name in all_variables()
    if name.endswith("_FILE") and name.removesuffix("_FILE") in all_variables()
}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def of_the_image(service: str, variable: str) -> str:
    target = re.search(rf"^FROM base AS {service}$.*?^CMD", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert target
    found = re.search(rf"\b{variable}=(\S+)", target[0]) or re.search(
        rf"\b{variable}=(\S+)", DOCKERFILE
    )
    assert found
    return found[1]


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_it_obeys_the_schema_of_kubernetes(document: Document) -> None:
    assert kubernetes_validate.validate(document, VERSION, strict=True) == VERSION


@pytest.mark.parametrize(
    "spoil",
    [
        lambda it: it["spec"].update(replicass=1),
        lambda it: it["spec"].update(replicas="1"),
        lambda it: it["spec"]["template"]["spec"]["containers"][0].update(livenessprobe={}),
        lambda it: it["spec"]["template"]["spec"]["securityContext"].update(readOnly=True),
    ],
)
def test_the_schema_sees_what_is_wrong(spoil: Any) -> None:
    spoiled = copy.deepcopy(WORKLOADS["executor"])
    spoil(spoiled)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(spoiled, VERSION, strict=True)


def test_the_guide_says_what_it_was_checked_against() -> None:
    assert f"schemas of Kubernetes {VERSION}" in GUIDE


def test_the_kustomization_takes_every_file_and_does_nothing_that_is_not_read_here() -> None:
    assert set(KUSTOMIZATION) == {
        "apiVersion",
        "kind",
        "namespace",
        "resources",
        "configMapGenerator",
    }
    (generated,) = KUSTOMIZATION["configMapGenerator"]
    assert set(generated) == {"name", "literals"}
    files = {path.name for path in FOLDER.iterdir()} - {"kustomization.yaml"}
    assert sorted(KUSTOMIZATION["resources"]) == sorted(files)
    assert set(named("Namespace")) == {KUSTOMIZATION["namespace"]}


def test_there_is_each_service_of_the_engine_and_nothing_else() -> None:
    assert set(WORKLOADS) == set(named("Service")) == set(ENGINE)
    kinds = {document["kind"] for document in DOCUMENTS}
    assert kinds == {
        *("Namespace", "ConfigMap", "StatefulSet", "Deployment", "Service", "NetworkPolicy"),
    }


@pytest.mark.parametrize("service", ENGINE)
def test_the_old_one_ends_before_the_new_one_begins(service: str) -> None:
    workload, labels = WORKLOADS[service], {"app.kubernetes.io/name": service}
    spec = workload["spec"]
    assert spec["replicas"] == 1
    assert spec["selector"] == {"matchLabels": labels}
    assert spec["template"]["metadata"]["labels"] == labels
    if workload["kind"] == "Deployment":
        assert spec["strategy"] == {"type": "Recreate"}
    else:
        assert spec["updateStrategy"] == {"type": "RollingUpdate"}
        assert spec["podManagementPolicy"] == "Parallel"


@pytest.mark.parametrize("service", ENGINE)
def test_it_runs_what_compose_runs(service: str) -> None:
    composed, ours = COMPOSED[service], container(service)
    assert ours["image"] == composed["image"]
    assert not {"command", "entrypoint", "user", "working_dir"} & set(composed)
    assert not {"command", "args", "workingDir"} & set(ours)
    assert not {"initContainers", "ephemeralContainers"} & set(pod(service))


@pytest.mark.parametrize("service", ENGINE)
def test_it_has_no_more_rights_than_in_compose(service: str) -> None:
    composed, ours = COMPOSED[service], pod(service)
    uid, gid = (int(re.findall(rf"--{name} (\d+)", DOCKERFILE)[0]) for name in ("uid", "gid"))
    assert composed["read_only"]
    assert composed["cap_drop"] == ["ALL"]
    assert composed["security_opt"] == ["no-new-privileges:true"]
    assert container(service)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert ours["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": gid,
        "fsGroup": gid,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert ours["shareProcessNamespace"] is composed["init"] is True
    assert ours["automountServiceAccountToken"] is ours["enableServiceLinks"] is False
    assert set(ours) <= {
        *("terminationGracePeriodSeconds", "automountServiceAccountToken", "enableServiceLinks"),
        *("shareProcessNamespace", "securityContext", "containers", "volumes"),
    }
    (namespace,) = named("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("service", ENGINE)
def test_it_writes_to_its_claim_and_to_memory_only(service: str) -> None:
    mounts = {one["name"]: one for one in container(service)["volumeMounts"]}
    volumes = {one["name"]: one for one in pod(service)["volumes"]}
    claims = WORKLOADS[service]["spec"].get("volumeClaimTemplates", [])
    assert set(mounts) == set(volumes) | {one["metadata"]["name"] for one in claims}
    assert all(set(one) <= {"name", "emptyDir", "secret", "configMap"} for one in volumes.values())
    writable = {one["mountPath"] for one in mounts.values() if not one.get("readOnly")}
    data = {of_the_image(service, "PM_DATA_DIR")} if service in WITH_DATA else set()
    assert writable == {*COMPOSED[service]["tmpfs"], *data}
    assert volumes["tmp"]["emptyDir"]["medium"] == "Memory"
    assert [one["metadata"]["name"] for one in claims] == (["data"] if data else [])


@pytest.mark.parametrize("service", ENGINE)
def test_it_is_restarted_when_it_no_longer_answers_and_not_for_being_unready(service: str) -> None:
    health = re.search(
        r"HEALTHCHECK --interval=(\d+)s --timeout=(\d+)s --start-period=(\d+)s --retries=(\d+)",
        DOCKERFILE,
    )
    assert health
    interval, timeout, start, retries = map(int, health.groups())
    ours = container(service)
    for probe in (ours["startupProbe"], ours["livenessProbe"]):
        assert probe["httpGet"] == {"path": "/healthz", "port": "control"}
        assert probe["httpGet"]["path"] in OPEN_PATHS
        assert probe["timeoutSeconds"] >= timeout
    patience = {
        name: ours[name]["periodSeconds"] * ours[name]["failureThreshold"]
        for name in ("startupProbe", "livenessProbe")
    }
    assert patience["startupProbe"] >= start
    assert patience["livenessProbe"] >= interval * retries
    assert "readinessProbe" not in ours  # else its control port could not be reached


@pytest.mark.parametrize("service", ENGINE)
def test_it_has_as_long_to_stop_as_in_compose(service: str) -> None:
    allowed = seconds(COMPOSED[service]["stop_grace_period"])
    assert pod(service)["terminationGracePeriodSeconds"] >= allowed


@pytest.mark.parametrize("service", ENGINE)
def test_its_control_port_stays_inside(service: str) -> None:
    port = int(of_the_image(service, "PM_HTTP_PORT"))
    assert container(service)["ports"] == [{"name": "control", "containerPort": port}]
    assert named("Service")[service]["spec"] == {
        "type": "ClusterIP",
        "selector": {"app.kubernetes.io/name": service},
        "ports": [{"name": "control", "port": port, "targetPort": "control"}],
    }
    if service in WITH_DATA:
        assert WORKLOADS[service]["spec"]["serviceName"] == service


def test_the_console_asks_the_services_and_nobody_else_may() -> None:
    asked = [urlsplit(url) for name, url in own_variables("console").items() if name[-4:] == "_URL"]
    ports = {name: one["spec"]["ports"][0]["port"] for name, one in named("Service").items()}
    assert {url.hostname: url.port for url in asked} == {
        service: ports[service] for service in WITH_DATA
    }
    policies = {name: one["spec"] for name, one in named("NetworkPolicy").items()}
    name = "app.kubernetes.io/name"
    services = {"key": name, "operator": "In", "values": list(WITH_DATA)}
    console = {"podSelector": {"matchLabels": {name: "console"}}}
    assert policies == {
        "nobody": {"podSelector": {}, "policyTypes": ["Ingress"]},
        "console-to-services": {
            "podSelector": {"matchExpressions": [services]},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [console], "ports": [{"port": "control"}]}],
        },
    }


@pytest.mark.parametrize("service", ENGINE)
def test_its_variables_are_known_and_its_own(service: str) -> None:
    assert SETTINGS.keys() <= known_variables.SERVICES
    assert own_variables(service).keys() <= variables_of(service)
    assert own_variables(service).keys().isdisjoint(SETTINGS)
    assert container(service)["envFrom"] == [{"configMapRef": {"name": "settings"}}]


def test_it_is_paper_trading_until_somebody_says_otherwise() -> None:
    assert SETTINGS["PM_DRY_RUN"] == "true"
    assert SETTINGS["PM_VENUE"] == "polymarket"
    assert not {"PM_DRY_RUN", "PM_VENUE"} & {n for s in ENGINE for n in own_variables(s)}


def test_no_secret_is_in_the_files() -> None:
    assert {"PM_CONTROL_TOKEN", "POLYMARKET_PRIVATE_KEY", "PM_REDIS_PASSWORD"} <= IS_SECRET
    redis = urlsplit(SETTINGS["PM_REDIS_URL"])
    assert (redis.scheme, redis.username, redis.password) == ("rediss", None, None)
    for given in (SETTINGS, literals(overlay()), *map(own_variables, ENGINE)):
        assert not IS_SECRET & given.keys()
        files = {name: path for name, path in given.items() if name.endswith("_FILE")}
        assert all(Path(path).parent == Path(SECRETS) for path in files.values())


@pytest.mark.parametrize("service", ENGINE)
def test_it_waits_for_a_secret_of_its_own_and_sees_no_other(service: str) -> None:
    secrets = [one["secret"] for one in pod(service)["volumes"] if "secret" in one]
    assert secrets == [{"secretName": service, "defaultMode": 0o440}]
    mounts = {one["name"]: one["mountPath"] for one in container(service)["volumeMounts"]}
    assert mounts["secrets"] == SECRETS
    made = re.search(rf"create secret generic {service} (.*(?:\\\n.*)*)", GUIDE)
    assert made
    files = {Path(path).name for path in own_variables(service).values() if path[0] == "/"}
    assert set(re.findall(r"--from-file=(\w+)", made[1])) == files


def overlay() -> Document:
    """The example of docs/scaling.md."""
    (shown,) = [one for one in FENCE.findall(GUIDE) if "kind: Kustomization" in one]
    read: Document = yaml.safe_load(shown.strip().removeprefix("```yaml").removesuffix("```"))
    return read


def test_the_example_of_the_guide_names_every_image() -> None:
    assert {one["name"] for one in overlay()["images"]} == {COMPOSED[s]["image"] for s in ENGINE}
    assert overlay()["configMapGenerator"][0]["behavior"] == "merge"


LIVE = {
    "PM_DRY_RUN": "false",
    "POLYMARKET_ADDRESS": "0x" + "1" * 40,
    **{
        f"POLYMARKET_{name.upper()}_FILE": f"{SECRETS}/{name}"
        for name in ("private_key", "api_key", "api_secret", "api_passphrase")
    },
}


def test_the_guide_names_what_live_trading_needs() -> None:
    assert {name for name in LIVE if f"`{name}`" not in GUIDE and f"{name}=" not in GUIDE} == set()


@pytest.mark.parametrize(
    "added", [{}, {"PM_PRESET": "careful"}, LIVE], ids=["dry", "preset", "live"]
)
@pytest.mark.parametrize("service", ENGINE)
def test_the_service_takes_the_settings_of_its_pod(
    service: str, added: dict[str, str], tmp_path: Path
) -> None:
    """One ConfigMap for all: what is meant for one service must not stop another."""
    given = SETTINGS | literals(overlay()) | added | own_variables(service)
    if service != "console":
        presets = {one["mountPath"] for one in container(service)["volumeMounts"]}
        assert str(PRESETS_FOLDER) in presets
        expanded = apply_preset(given, ROOT / "presets").environ
        given = settle_venue(expanded, tmp_path / "never", lambda: pytest.fail("asked"))
    for name in IS_SECRET:
        if path := given.get(f"{name}_FILE"):
            file = tmp_path / Path(path).name
            file.write_text("0x" + "2" * 64 if "KEY" in name else "c2VjcmV0" * 8)
            given = {**given, f"{name}_FILE": str(file)}
    settings, problems = check_settings(settings_of(service), given)
    assert problems == []
    assert settings is not None
