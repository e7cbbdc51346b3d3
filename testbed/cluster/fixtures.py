"""pytest: the real cluster, for tests marked `cluster`.

    K8S_EXTCAP_TEST_KUBECONFIG   use that cluster, in a namespace of its own, without what needs node access
    K8S_EXTCAP_TEST_IMAGES       where that cluster finds the bed's images (`registry.example/bed` for …/web:1)
    K8S_EXTCAP_TESTBED_DOWN=1    end the bed after the tests; it stays up otherwise, so that the next run is quick

A bed that is up is used as it is. One that is not is brought up before the first test, where no test's time limit
counts: from nothing that takes the five minutes of building Kubernetes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from string import Template

import pytest

from testbed.cluster import down, manifests, state
from testbed.cluster.bed import CURRENT, default_bed
from testbed.cluster.handle import Cluster, NotHereError, nodes_of
from testbed.cluster.up import why_not

GIVEN, IMAGES, DOWN = "K8S_EXTCAP_TEST_KUBECONFIG", "K8S_EXTCAP_TEST_IMAGES", "K8S_EXTCAP_TESTBED_DOWN"
REPOSITORY = Path(__file__).parents[2]
FAILURE = pytest.StashKey[str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Bring the bed up if any test that was chosen wants it."""
    wanting = [
        i for i in session.items if "cluster" in getattr(i, "fixturenames", ()) or i.get_closest_marker("cluster")
    ]
    if not wanting or session.config.option.collectonly or os.environ.get(GIVEN) or why_not():
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\nlooking after the test cluster", flush=True)
        argv = [sys.executable, "-m", "testbed.cluster", "up"]  # its daemons are not this process's children
        done = subprocess.run(argv, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode and not state.read(default_bed()):
        session.config.stash[FAILURE] = done.stderr.strip()


def _skip_what_is_not_here() -> Generator[None, object, object]:
    """What asks a given cluster for something that only the bed has is skipped, with that as the reason."""
    __tracebackhide__ = True
    try:
        return (yield)
    except NotHereError as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    __tracebackhide__ = True
    return (yield from _skip_what_is_not_here())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    __tracebackhide__ = True
    return (yield from _skip_what_is_not_here())


def _kubectl() -> Path:
    built = default_bed().binaries(CURRENT) / "kubectl"
    found = built if built.exists() else shutil.which("kubectl")
    if not found:
        pytest.skip("no kubectl: neither built by the test bed nor in PATH")
    return Path(found)


def _given(kubeconfig: Path) -> Iterator[Cluster]:
    kubectl, images = _kubectl(), os.environ.get(IMAGES, "")
    cluster = Cluster(kubeconfig, kubectl, nodes_of(kubectl, kubeconfig), "", images or "localhost", given=True)
    namespace = cluster.new_namespace("k8s-extcap-test")
    cluster = Cluster(kubeconfig, kubectl, cluster.nodes, namespace, cluster.images, given=True)
    try:
        if images:
            template = Template((manifests.FOLDER / "optional" / "given.yaml").read_text(encoding="utf-8"))
            cluster.kubectl("apply", "-f", "-", stdin=template.substitute(namespace=namespace, images=images))
            cluster.kubectl(
                "wait", "-n", namespace, "--for=condition=Ready", "pod", "--all", "--timeout=90s", timeout=100
            )
        yield cluster
    finally:
        cluster.delete_namespace(namespace)


def _own(failure: str) -> Iterator[Cluster]:
    bed = default_bed()
    running = state.read(bed)
    if failure or not running:
        pytest.fail(f"the test cluster does not come up: {failure or 'it was ended during the tests'}")
    kubectl = bed.binaries(running.kubernetes) / "kubectl"
    cluster = Cluster(bed.kubeconfig, kubectl, nodes_of(kubectl, bed.kubeconfig), "")
    namespace = cluster.new_namespace()
    try:
        yield Cluster(bed.kubeconfig, kubectl, cluster.nodes, namespace)
    finally:
        cluster.delete_namespace(namespace)
        if os.environ.get(DOWN) == "1":
            down.down(bed)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The real cluster. Skips, saying why, where this machine cannot have one and none was given."""
    given = os.environ.get(GIVEN)
    if not given and (reason := why_not()):
        pytest.skip(reason)
    yield from _given(Path(given)) if given else _own(request.config.stash.get(FAILURE, ""))


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of this one test, removed after it."""
    name = cluster.new_namespace()
    yield name
    cluster.delete_namespace(name)
