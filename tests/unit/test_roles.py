"""The Roles of docs/roles, what methods check before they act, what doctor asks and what README shows: one thing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_extcap.methods import copy, nsenter, rights
from k8s_extcap.model.ids import Name
from k8s_extcap.model.objects import Pod
from k8s_extcap.model.plan import Target
from k8s_extcap.model.request import CaptureRequest, Helper
from k8s_extcap.setup import doctor, roles

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/roles"


def granted(documents: list[Any]) -> set[str]:
    """As `verb resource[.group][/subresource]`, the way the methods ask."""
    found = set()
    for document in documents:
        for rule in document["rules"]:
            (group,) = rule["apiGroups"]
            for resource in rule["resources"]:
                name, slash, sub = resource.partition("/")
                found |= {f"{verb} {name}{'.' + group if group else ''}{slash}{sub}" for verb in rule["verbs"]}
    return found


def role(name: str) -> set[str]:
    return granted(list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text())))


def test_the_files_are_what_the_program_knows() -> None:
    if os.environ.get("K8S_EXTCAP_GOLDEN") == "1":
        FOLDER.mkdir(exist_ok=True)
        for name, content in roles.files().items():
            (FOLDER / name).write_text(content)
    assert {file.name: file.read_text() for file in FOLDER.glob("*.yaml")} == roles.files()


@pytest.mark.parametrize("name", [f.removesuffix(".yaml") for f in roles.files()])
def test_each_is_a_role_that_can_be_applied(name: str) -> None:
    for document in yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()):
        cluster = document["kind"] == "ClusterRole"
        assert set(document) == {"apiVersion", "kind", "metadata", "rules"}
        assert ("namespace" in document["metadata"]) != cluster
        assert all(rule["verbs"] and "*" not in str(rule) for rule in document["rules"])


def needs(namespace: str) -> set[str]:
    request = CaptureRequest(Name("pod"), helper=Helper(image="i", namespace=namespace))
    return {need.partition("@")[0] for need in nsenter.needs(request, Target("c", "shop", Pod(), node="n"))}


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("resident", set(rights.EXEC)),
        ("upload", set(rights.EXEC)),
        ("ephemeral", set(rights.EPHEMERAL)),
        ("copy", set(copy.needs(CaptureRequest(Name("pod"))))),
        ("copy-service-labels", set(copy.needs(CaptureRequest(Name("pod"), service_labels=True)))),
        ("nsenter", {n for n in needs("") if n not in nsenter._PODS}),
        ("nsenter-elsewhere", {n for n in needs("tools") if n not in nsenter._PODS}),
        ("nsenter-without-jobs", {n for n in needs("") if n not in nsenter._JOBS}),
        ("node", {n for n in needs("tools") if n not in nsenter._PODS}),
    ],
)
def test_a_role_has_what_its_method_asks_about(name: str, asked: set[str]) -> None:
    """And looks at the pod besides, which resolves its name, or at the node, for its processor."""
    assert asked <= role(name)
    assert role(name) - asked <= {"get pods", "get nodes"}


def test_doctor_asks_for_all_of_them_and_nothing_else() -> None:
    asked = {right for needs in doctor.NEEDS.values() for right in needs}
    assert asked == {r for name in ("listing", "resident", "upload", "ephemeral", "nsenter", "copy")
                     for r in roles.of(name)}  # fmt: skip
    assert sum(map(len, doctor.NEEDS.values())) >= len(asked)


def test_readme_shows_the_same_rights() -> None:
    text = (ROOT / "README.md").read_text().partition("## Permissions")[2]
    shown = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    assert granted([shown]) == role("listing") | role("resident") | role("ephemeral") | role("nsenter")
    assert "docs/roles" in text
