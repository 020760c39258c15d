"""What `kubernetes/` describes.

It generates one ConfigMap and lists its files, and uses nothing else of kustomize, so it is
resolved here without it. tests/house/test_kubernetes.py fails when it begins to use more.
"""

from __future__ import annotations

from typing import Any

import yaml

from support.tree import ROOT

FOLDER = ROOT / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
Document = dict[str, Any]


def literals(kustomization: Document) -> dict[str, str]:
    """The settings that a kustomization gives."""
    (generated,) = kustomization["configMapGenerator"]
    assert generated["name"] == "settings"
    return dict(line.split("=", 1) for line in generated["literals"])


SETTINGS = literals(KUSTOMIZATION)
DOCUMENTS: list[Document] = [
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": SETTINGS,
    },
    *(
        document
        for name in KUSTOMIZATION["resources"]
        for document in yaml.safe_load_all((FOLDER / name).read_text())
    ),
]


def title(document: Document) -> str:
    """As kubectl names it."""
    return f"{document['kind']}/{document['metadata']['name']}"


def named(*kinds: str) -> dict[str, Document]:
    """The documents of these kinds by their names, which differ."""
    found = [document for document in DOCUMENTS if document["kind"] in kinds]
    by_name = {document["metadata"]["name"]: document for document in found}
    assert len(by_name) == len(found)
    return by_name


WORKLOADS = named("StatefulSet", "Deployment")


def pod(service: str) -> Document:
    """What a service's pod is made by."""
    spec: Document = WORKLOADS[service]["spec"]["template"]["spec"]
    return spec


def container(service: str) -> Document:
    """The only container of a service's pod."""
    (only,) = pod(service)["containers"]
    assert isinstance(only, dict)
    return only


def own_variables(service: str) -> dict[str, str]:
    """What a workload sets beside the ConfigMap; each has a value in the file."""
    return {one["name"]: one["value"] for one in container(service)["env"]}
