"""The catalogue as text: complete, on both nodes, explained, and quick to delete."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.cluster import manifests
from testbed.cluster.bed import Bed

NODES = Bed(Path("/cache")).nodes()
FILES = sorted(manifests.FOLDER.glob("*.yaml"))
LONG = "sixty-three-characters-are-the-most-that-a-namespace-can-have-x"


def documents(count: int = 2) -> list[dict[str, Any]]:
    texts = [manifests.rendered(file, NODES[:count]) for file in FILES]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def pod_specs() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for document in documents():
        spec = document.get("spec") or {}
        spec = spec if document["kind"] == "Pod" else spec.get("template", {}).get("spec")
        if spec:
            found.append((document["metadata"]["name"], spec))
    return found


def pods() -> list[dict[str, Any]]:
    return [document for document in documents() if document["kind"] == "Pod"]


def test_every_object_has_a_name_of_its_own() -> None:
    names = Counter((d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in documents())
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(("name", "spec"), pod_specs(), ids=[f"{n[:40]}{i}" for i, (n, _) in enumerate(pod_specs())])
def test_pods_are_quick_to_delete_and_stand_a_taint(name: str, spec: dict[str, Any]) -> None:
    assert spec["terminationGracePeriodSeconds"] == 1, name
    assert {"key": "testbed", "operator": "Exists"} in spec["tolerations"]
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        assert container["image"].startswith("localhost/")
        assert container["image"].endswith(":1")


def test_every_capture_case_is_on_both_nodes() -> None:
    places: dict[str, set[str]] = {}
    for pod in pods():
        node = pod["spec"]["nodeSelector"]["kubernetes.io/hostname"]
        name = pod["metadata"]["name"]
        if name.endswith(f"-{node}"):
            places.setdefault(f"{pod['metadata']['namespace']}/{name.removesuffix(node)}", set()).add(node)
    assert len(places) >= 25
    assert [name for name, nodes in places.items() if nodes != {"n1", "n2"}] == []


def test_every_pod_says_what_it_shows() -> None:
    assert [p["metadata"]["name"] for p in pods() if not p["metadata"]["annotations"]["shows"]] == []


def test_names_at_their_limits() -> None:
    names = {len(p["metadata"]["name"]) for p in pods() if p["metadata"]["namespace"] == LONG}
    assert len(LONG) == 63
    # The kubelet's log folder NAMESPACE_POD_UID: 255 bytes (NAME_MAX) less 63, two underscores and a UID of 36.
    assert names == {253, 255 - 63 - 2 - 36}


def test_names_that_share_a_preference_key() -> None:
    """Wireshark keeps letters, digits and dots of an interface name and makes every other character a point or line."""
    names = {f"{p['metadata']['namespace']}.{p['metadata']['name']}" for p in pods()}
    assert {"a.b-c", "a-b.c"} <= names


def test_one_node_is_enough() -> None:
    selectors = {
        document["spec"]["nodeSelector"]["kubernetes.io/hostname"]
        for document in documents(1)
        if document["kind"] == "Pod"
    }
    assert selectors == {"n1"}


def test_only_what_is_not_ready_by_design_is_excused() -> None:
    key, value = manifests.NOT_READY
    excused = {p["metadata"]["name"][:12] for p in pods() if p["metadata"].get("labels", {}).get(key) == value}
    assert excused == {"init-n1", "init-n2", "crash-n1", "crash-n2", "noimage-n1", "noimage-n2", "two-hundred-"}


def test_the_documentation_names_every_pod() -> None:
    text = (Path(__file__).parents[3] / "docs" / "testbed.md").read_text(encoding="utf-8")
    for pod in pods():
        name = pod["metadata"]["name"].removesuffix("-n1").removesuffix("-n2")[:24]
        assert f"`{name}" in text, name
