"""The options that people chose in Wireshark's dialogs, remembered by what they were chosen for.

One text file, `state()/options`, 0600. Each line is one record: cluster, namespace, workload, container, time of last
writing (epoch seconds), then `call=value`, separated by tabs. What is empty in front is general: layers from everywhere
to one container, the narrower wins; what is allowed in a context for good (`edge/allowed.py`) is a layer as well. A
record is kept under the workload (`deploy/web`), not the pod, so a rollout does not lose it; which workload a pod
belongs to is seen from its name here, and only among the workloads that have a record, whose owner reference was read
when it was written. Dialog and capture ask the same function, so what the dialog shows is what an omitted argument
means.

`load` is on the hot lane and reads this one file. `cluster` is any stable word for the cluster that the caller uses
for both, the alias of its context.
"""

from __future__ import annotations

from k8s_extcap.edge import folders
from k8s_extcap.edge.allowed import OPTION
from k8s_extcap.model.errors import ConfigError
from k8s_extcap.model.ids import Name
from k8s_extcap.wireshark.option import NONE, Option
from k8s_extcap.wireshark.options import BY_CALL, MARKER, shown

TYPE_CHECKING = False  # as typing's, without importing it
if TYPE_CHECKING:
    from k8s_extcap.model.objects import Pod

HEADER = "k8s-extcap options 1"
LIMIT = 64 * 1024  # what the dialog may read; beyond it the records longest untouched are dropped
PATIENCE = 5.0  # seconds for the lock: a writer needs milliseconds, so after this something holds it wrongly

Key = tuple[str, str, str, str]  # cluster, namespace, workload, container
_SAFE = frozenset("bcdfghjklmnpqrstvwxz2456789")  # of generated names: apimachinery, util/rand
_EVERYWHERE = ("consent", "everywhere")  # the one scope that a consent may be kept for
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
    layers = _layers(records, cluster, name)
    return _merged(_allowing(records, cluster, allowed), layers)


def resolve(cluster: str, name: Name, passed: dict[str, str], parent: str, allowed: str = "") -> dict[str, str]:
    """The values of a capture: what the host passed, and under a GUI what is remembered for the rest. Of tshark only
    what it passed: there is no dialog that would have shown the rest. What is allowed in the context counts for both.
    """
    known = load(cluster, name, allowed) if parent == "gui" else {OPTION: allowed} if allowed else {}
    return {**known, **passed}


def remember(cluster: str, name: Name, owner: str, passed: dict[str, str], parent: str, allowed: str = "") -> None:
    """Keep the values of a dialog for the next time, as widely as its *Remember for* says. `name` is what is captured
    (of a browse interface: what was chosen there), `owner` its workload by owner reference (see `owner_of`).

    Nothing is written when no dialog's values were applied, nor under tshark, whose defaults cannot be told from
    its `-o`. Raises ConfigError where the file cannot be written.
    """
    scope = passed.get(MARKER, "start")
    if parent != "gui" or scope not in ("workload", "namespace", "everywhere"):
        return
    from k8s_extcap.edge import storing

    def update(records: dict[Key, Record], now: int) -> None:
        _update(_allowing(records, cluster, allowed), now, cluster, name, owner, passed, scope)
        if cluster:
            records.pop(_context(cluster), None)  # kept in a file of its own

    storing.change(update)


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


def _context(cluster: str) -> Key:
    return (cluster, "", "", "")


def _allowing(records: dict[Key, Record], cluster: str, allowed: str) -> dict[Key, Record]:
    """The records, with what is allowed in the context as one of them."""
    if allowed and cluster:
        records[_context(cluster)] = Record(0, {OPTION: allowed})
    return records


def _layers(records: dict[Key, Record], cluster: str, name: Name, owner: str = "") -> list[Key]:
    """The widest first: everywhere, the context, the namespace if there is one, the workload, the container."""
    layers = list(dict.fromkeys((_context(""), _context(cluster))))
    if name.kind == "browse":
        return layers
    workload = _workload(records, cluster, name, owner)
    if name.namespace:
        layers.append((cluster, name.namespace, "", ""))
    layers.append((cluster, name.namespace, workload, ""))
    if name.container:
        layers.append((cluster, name.namespace, workload, name.container))
    return layers


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


def _merged(records: dict[Key, Record], layers: list[Key]) -> dict[str, str]:
    values: dict[str, str] = {}
    for key in layers:
        if key in records:
            values.update(records[key].values)
    return values


def _plain(option: Option, value: str) -> str:
    """One spelling for each meaning, so that a default chosen again is no choice."""
    value = value.strip() or option.default
    if option.kind in ("text", "file") and value.lower() == NONE and not option.default:
        return ""
    return value


def _update(
    records: dict[Key, Record], now: int, cluster: str, name: Name, owner: str, passed: dict[str, str], scope: str
) -> None:
    layers = _layers(records, cluster, name, owner)
    wanted = {**_merged(records, layers), **passed}
    last = len(layers) - 1
    wide = {"everywhere": 0, "namespace": layers.index((cluster, name.namespace, "", "")) if name.namespace else last}
    for option in shown(name.kind, "gui"):
        if option.keep == "never":
            continue
        at = wide.get(scope, last) if option.keep == "any" or (option.keep, scope) == _EVERYWHERE else last
        value = _plain(option, wanted.get(option.call, option.default))
        for key in layers[at:]:
            if key in records and (not cluster or key != _context(cluster)):
                records[key].values.pop(option.call, None)
        # Twice where the context's own consent stands between everywhere and this target.
        for place in dict.fromkeys((at, last)):
            above = layers[: place if place == at else place + 1]
            if value != _plain(option, _merged(records, above).get(option.call, option.default)):
                record = records.setdefault(layers[place], Record(now, {}))
                # Emptied although a wider layer has a value: said in words, an empty value would be no value.
                record.values[option.call] = value or NONE
                record.stamp = now
    for key in [key for key, record in records.items() if not record.values]:
        del records[key]
