"""Method nsenter: a helper pod on the target's node enters its network namespace, whatever the runtime. Also the way
to the packets of a node, and to the host end of a pod's veth.
"""

from __future__ import annotations

from dataclasses import replace

from k8s_extcap.methods import admission, beside, guard, helper, lookup, own_stream, programs, rights, tcpdump
from k8s_extcap.model.plan import Binary, ExecSpec, Facts, Plan, Step, Target, Verdict
from k8s_extcap.model.request import CaptureRequest, MethodName

NAME: MethodName = "nsenter"
_JOBS = ("create jobs.batch", "delete jobs.batch")
_PODS = ("create pods", "delete pods")  # where Jobs may not be made: nobody deletes a bare pod but us
ASK_IMAGE = "an image with sh, dd and sha256sum in the option Helper image (--helper-image), which runs on the node"


def namespace(request: CaptureRequest, target: Target) -> str:
    return request.helper.namespace or target.namespace or "default"


def needs(request: CaptureRequest, target: Target) -> tuple[str, ...]:
    """All rights that are asked about; those to create and delete are needed for either Jobs or pods."""
    place = namespace(request, target)
    at = "" if place == target.namespace else f"@{place}"
    return tuple(f"{need}{at}" for need in (*rights.EXEC, "list pods", *_JOBS, *_PODS))


def _as_pod(request: CaptureRequest, target: Target, facts: Facts) -> bool:
    """A bare pod: only where Jobs may certainly not be created, or could not be deleted again."""
    return bool(rights.missing(facts, _of(needs(request, target), _JOBS)))


def _of(wanted: tuple[str, ...], these: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(need for need in wanted if need.partition("@")[0] in these)


def _lacking(request: CaptureRequest, target: Target, facts: Facts) -> tuple[str, ...]:
    wanted = needs(request, target)
    jobs, pods = _of(wanted, _JOBS), _of(wanted, _PODS)
    lacking = rights.missing(facts, tuple(need for need in wanted if need not in (*jobs, *pods)))
    no_jobs, no_pods = rights.missing(facts, jobs), rights.missing(facts, pods)
    return lacking + (min(no_jobs, no_pods, key=len) if no_pods else ())  # of two ways the nearer one; Jobs first


def _programs(facts: Facts) -> tuple[Binary, Binary] | str:
    machine = next((c.machine for c in facts.containers.values() if c.machine), "")
    capture = programs.find(facts, "tcpdump", machine)
    enter = programs.find(facts, "nsx", machine)
    if isinstance(capture, str):
        return capture
    return enter if isinstance(enter, str) else (enter, capture)


def assess(request: CaptureRequest, target: Target, facts: Facts) -> Verdict:
    if not request.helper.image:
        return Verdict(NAME, False, "no image for the helper pod is configured", ASK_IMAGE)
    if not target.node:
        return Verdict(NAME, False, "it is not scheduled on a node yet")
    lacking = _lacking(request, target, facts)
    if lacking:
        return Verdict(NAME, False, rights.spoken(lacking), rights.rule(lacking))
    if facts.node_tainted and request.helper.tolerations == "none":
        return Verdict(NAME, False, f"node {target.node} has taints", "the option Tolerations (--tolerations all)")
    have = _programs(facts)
    if isinstance(have, str):
        if facts.node_arch or any(c.machine for c in facts.containers.values()):
            return Verdict(NAME, False, have)
        ask = rights.rule(("get nodes",)).replace("a Role", "a ClusterRole")
        return Verdict(
            NAME, False, f"you may not get nodes, and no container tells the processor of {target.node}", ask
        )
    refusal = facts.dry_run.get(admission.HELPER)
    if refusal:
        ask = "a namespace that admits it in the option Helper namespace (--helper-namespace)"
        policy = admission.refused(refusal, ask)
        return Verdict(NAME, False, policy.sentence, policy.ask)
    certain = True if admission.HELPER in facts.dry_run else None
    image = beside.spoken(request, request.helper.image)
    return Verdict(NAME, certain, f"a helper pod{image} on node {target.node} can enter its network")


def _steps(request: CaptureRequest, target: Target, facts: Facts, capture: str, text: str) -> tuple[Step, ...]:
    place, name = namespace(request, target), f"k8s-extcap-{capture}"
    pods = f"/api/v1/namespaces/{place}/pods"
    if _as_pod(request, target, facts):
        what = f"helper pod {place}/{name} on node {target.node}"
        body = helper.pod(request, target.node, name, capture, text)
        make = Step("create", pods, what, name=name, body=body, undo=True)
    else:
        what = f"helper job {place}/{name} on node {target.node}"
        body = helper.job(request, target.node, name, capture, text)
        make = Step("create", f"/apis/batch/v1/namespaces/{place}/jobs", what, name=name, body=body, undo=True)
    wait = Step(
        "wait",
        pods,
        f"{what} runs",
        name=name,
        container=helper.CONTAINER,
        selector=f"{helper.CAPTURE_LABEL}={capture}",
        timeout=request.connection.wait,
    )
    return make, wait


def plan(request: CaptureRequest, target: Target, facts: Facts, verdict: Verdict, capture: str) -> Plan:
    """The exec's pod is "": the one that the wait step finds by its label."""
    have = _programs(facts)
    assert not isinstance(have, str)  # the verdict of the same facts said so
    enter, program = (programs.upload(b, helper.FOLDER, capture) for b in have)
    pod = target.pod
    in_node = target.is_node or pod.spec.host_network
    on_node = in_node or request.interface == lookup.HOST_END
    runtime = on_node and own_stream.loops(request)
    asked = own_stream.leave_out(request, facts, lookup.OWN if runtime else "") if on_node else request
    run = tcpdump.line(
        replace(asked, buffer_kib=0),
        program.path,
        mode="ours",
        nic=lookup.NIC,
        buffer_kib=request.buffer_kib or tcpdump.RING_KIB,
        drop_to_root=False,
    )
    who = lookup.NODE if in_node else lookup.ids(pod.metadata.uid, pod.metadata.annotations)
    addresses = "" if in_node else lookup.addresses(pod.ips)
    words = ("sh", "-c", f'eval "${helper.ENTER}"', "enter", who, lookup.container(pod.container_id), addresses)
    guarded = guard.wrap((*words, request.interface, enter.path, *run.argv), (enter, program), tail=run.tail)
    shell, option, text, *rest = guarded
    spec = ExecSpec(
        namespace=namespace(request, target),
        pod="",
        container=helper.CONTAINER,
        command=(shell, option, f'eval "${helper.GUARD}"', *rest),
        uploads=(enter, program),
        settle=run.settle,
        tail=run.tail,
        nic=request.interface or ("" if in_node else "eth0"),
    )
    steps = _steps(request, target, facts, capture, text)
    note = f"; {own_stream.sentence(facts, runtime=runtime)}" if on_node else ""
    why = f"{target.spoken()}: {verdict.sentence}; it is deleted afterwards{note}."
    leaves = f"nothing; if all clean-up fails, {steps[0].what} ends itself"
    return Plan(NAME, target, steps, (spec,), why, leaves)
