"""The options that people chose in Wireshark's dialogs, remembered by what they were chosen for.

One text file, `state()/options`, 0600. Each line is one record: cluster, namespace, workload, container, time of last
writing (epoch seconds), then `call=value`, separated by tabs. What is empty in front is general: layers from everywhere
to one container, the narrower wins; what is allowed in a context for good (`edge/allowed.py`) is a layer as well. A
record is kept under the workload (`deploy/web`), not the pod, so a rollout does not lose it; which workload a pod
belongs to is seen from its name here, and only among the workloads that have a record, whose owner reference was read
when it was written. Dialog and capture ask the same function, so what the dialog shows is what an omitted argument
means.

This is the reading half, on the hot lane; `edge/storing.py` writes. `cluster` is any stable word for the cluster that
the caller uses for both, the alias of its context.
"""

from __future__ import annotations

from k8s_extcap.edge import folders
from k8s_extcap.edge.allowed import OPTION
from k8s_extcap.model.errors import ConfigError
from k8s_extcap.model.ids import Name
from k8s_extcap.wireshark.options import BY_CALL

TYPE_CHECKING = False  # as typing's, without importing it
if TYPE_CHECKING:
    from k8s_extcap.model.objects import Pod

HEADER = "k8s-extcap options 1"
LIMIT = 64 * 1024  # what the dialog may read; beyond it the records longest untouched are dropped

Key = tuple[str, str, str, str]  # cluster, namespace, workload, container
_SAFE = frozenset("bcdfghjklmnpqrstvwxz2456789")  # of generated names: apimachinery, util/rand
_ESCAPES = (("%", "%25"), ("\t", "%09"), ("\n", "%0A"), ("\r", "%0D"))


class Record:
    """The values of one layer; `stamp` is when they were last written."""

    __slots__ = ("stamp", "values")

    def __init__(self, stamp: int, values: dict[str, str]) -> None:
        self.stamp = stamp
        self.values = values


def path() -> str:
    return folders.state() + "/options"


def load(cluster: str, name: Name, allowed: str = "") -> dict[str, str]:
    """What is remembered for an interface, by call. `allowed` is the method that is allowed in its context for good.
    Nothing is remembered where the file cannot be read: the dialog must open.
    """
    try:
        records = parse(folders.read(path(), LIMIT).decode("utf-8", "replace"))
    except ConfigError:
        records = {}
    keys = layers(records, cluster, name)
    return merged(allowing(records, cluster, allowed), keys)


def resolve(cluster: str, name: Name, passed: dict[str, str], parent: str, allowed: str = "") -> dict[str, str]:
    """The values of a capture: what the host passed, and under a GUI what is remembered for the rest. Of tshark only
    what it passed: there is no dialog that would have shown the rest. What is allowed in the context counts for both.
    """
    known = load(cluster, name, allowed) if parent == "gui" else {OPTION: allowed} if allowed else {}
    return {**known, **passed}


def owner_of(pod: Pod) -> str:
    """The workload of a pod as `deploy/web`, "" for a pod on its own. A Deployment is named by its ReplicaSet's name
    without the template's hash, a CronJob by its Job's without the time: no further request is needed.
    """
    for owner in pod.metadata.owner_references:
        kind = {"ReplicaSet": "rs", "StatefulSet": "sts", "DaemonSet": "ds", "Job": "job"}.get(owner.kind)
        if not owner.controller or kind is None:
            continue
        base, dash, last = owner.name.rpartition("-")
        if kind == "rs" and dash and last == pod.metadata.labels.get("pod-template-hash"):
            return f"deploy/{base}"
        if kind == "job" and dash and last.isdigit() and len(last) == 8:  # minutes since the epoch
            return f"cronjob/{base}"
        return f"{kind}/{owner.name}"
    return ""


def belongs(workload: str, pod: str) -> bool:
    """Whether a pod of this name can be one of the workload: the names that controllers generate."""
    kind, _, name = workload.partition("/")
    if kind == "pod":
        return pod == name
    if kind == "sts":
        return pod.startswith(name + "-") and pod[len(name) + 1 :].isdigit()
    stem, dash, tail = pod.rpartition("-")
    if len(pod) == 63 and not _generated(tail, 5):  # the generated end stands without its dash after 58 characters
        stem, dash, tail = pod[:58], "-", pod[58:]
    if kind not in ("deploy", "rs", "ds", "job", "cronjob") or not dash or not _generated(tail, 5):
        return False
    if len(pod) == 63 and len(name) >= 47:  # cut: the hash is not whole any more
        return stem.startswith((name + "-")[: min(58, len(stem))])
    if kind in ("rs", "ds"):
        return stem == name
    base, _, last = stem.rpartition("-")
    if kind == "deploy":
        return base == name and 0 < len(last) <= 10 and not (set(last) - _SAFE)
    if kind == "job":
        return stem == name or (base == name and last.isdigit())
    return base == name and last.isdigit()


def _generated(text: str, length: int) -> bool:
    return len(text) == length and not (set(text) - _SAFE)


def parse(text: str) -> dict[Key, Record]:
    """Records of the file's text; a line that is none is skipped, a later format is refused."""
    lines = text.split("\n")
    if lines[0] and lines[0] != HEADER:
        raise ConfigError(f"{path()} was written by another version of k8s-extcap. Move it away to start afresh.")
    records: dict[Key, Record] = {}
    for line in lines[1:]:
        fields = [_unescape(field) for field in line.split("\t")]
        stamp = folders.number(fields[4]) if len(fields) > 5 else None
        if stamp is None:
            continue
        pairs = (field.partition("=") for field in fields[5:])
        values = {call: value for call, equals, value in pairs if equals and call in BY_CALL}
        records[(fields[0], fields[1], fields[2], fields[3])] = Record(stamp, values)
    return records


def render(records: dict[Key, Record]) -> str:
    """The file's text, at most LIMIT bytes: without the records longest untouched where they are too many."""
    newest = sorted(records.items(), key=lambda item: (item[0][0] != "", -item[1].stamp))
    lines, size = [HEADER], len(HEADER) + 1
    for key, record in newest:
        fields = [*key, str(record.stamp), *(f"{call}={value}" for call, value in sorted(record.values.items()))]
        line = "\t".join(_escape(field) for field in fields)
        size += len(line.encode("utf-8", "replace")) + 1
        if size > LIMIT:
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return text


def _unescape(text: str) -> str:
    for plain, escaped in reversed(_ESCAPES):
        text = text.replace(escaped, plain)
    return text


def context(cluster: str) -> Key:
    """The layer of a whole cluster; of "" the one that counts everywhere."""
    return (cluster, "", "", "")


def allowing(records: dict[Key, Record], cluster: str, allowed: str) -> dict[Key, Record]:
    """The records, with what is allowed in the context as one of them."""
    if allowed and cluster:
        records[context(cluster)] = Record(0, {OPTION: allowed})
    return records


def layers(records: dict[Key, Record], cluster: str, name: Name, owner: str = "") -> list[Key]:
    """The widest first: everywhere, the context, the namespace if there is one, the workload, the container."""
    keys = list(dict.fromkeys((context(""), context(cluster))))
    if name.kind == "browse":
        return keys
    workload = _workload(records, cluster, name, owner)
    if name.namespace:
        keys.append((cluster, name.namespace, "", ""))
    keys.append((cluster, name.namespace, workload, ""))
    if name.container:
        keys.append((cluster, name.namespace, workload, name.container))
    return keys


def _workload(records: dict[Key, Record], cluster: str, name: Name, owner: str) -> str:
    if name.digest:
        return f"{name.kind}/_{name.digest}"
    if name.kind not in ("pod", "container"):
        return f"{name.kind}/{name.name or name.namespace}"
    if owner and belongs(owner, name.name):
        return owner
    alone = f"pod/{name.name}"
    known = {key[2] for key in records if key[0] == cluster and key[1] == name.namespace}
    fitting = [workload for workload in known if workload and belongs(workload, name.name)]
    return max(fitting, key=lambda workload: (workload == alone, len(workload), workload), default=alone)


def merged(records: dict[Key, Record], keys: list[Key]) -> dict[str, str]:
    """The values of those layers, of which the later win."""
    values: dict[str, str] = {}
    for key in keys:
        if key in records:
            values.update(records[key].values)
    return values
