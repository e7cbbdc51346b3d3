"""The plaintext of a meshed pod is on lo: said, never chosen silently."""

from __future__ import annotations

import pytest

from k8s_extcap.methods import special
from k8s_extcap.model.objects import Container, Pod, PodSpec
from k8s_extcap.model.plan import Target


@pytest.mark.parametrize(
    ("names", "inits", "said"),
    [(("app", "istio-proxy"), (), True), (("app",), ("linkerd-proxy",), True), (("app", "proxy"), (), False)],
)
def test_a_mesh_is_told(names: tuple[str, ...], inits: tuple[str, ...], said: bool) -> None:
    containers = tuple(Container(name=n) for n in names)
    sidecars = tuple(Container(name=n) for n in inits)
    pod = Pod(spec=PodSpec(containers=containers, init_containers=sidecars))
    assert ("--nic lo" in special.remark(Target("c", "shop", pod))) is said
