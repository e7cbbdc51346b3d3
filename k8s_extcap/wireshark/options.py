"""Every option there is, once: this table drives the dialog, reload, parsing, the command line and docs/options.md.

On the hot lane. Calls are in lower case: an upper-case letter aborts Wireshark. The table's order is the dialog's.
"""

from __future__ import annotations

from k8s_extcap.model.ids import KINDS
from k8s_extcap.wireshark.option import UNCHOSEN, Option, placed, switch

# What the helper pod runs where no image is named: the small busybox of Kubernetes' own tests, from the registry that
# nodes have their own images from. Its digest (an index: amd64, arm64, arm, ppc64le, s390x) is the one that
# kubernetes/k8s.io publishes under this tag in registry.k8s.io/images/k8s-staging-e2e-test-images/images.yaml, and the
# one that projects which pin this image have written down.
HELPER_IMAGE = (
    "registry.k8s.io/e2e-test-images/busybox:1.36.1-1"
    "@sha256:a9155b13325b2abef48e71de77bb8ac015412a566829f621d06bfae5c699b1b9"
)
# Always in a dialog, and a selector is passed if and only if a dialog's values were applied: it tells us that.
MARKER = "remember"

_PODS = ("browse", "pod", "deploy", "sts", "ds", "job", "svc", "ns")
_KINDS = tuple((kind, word) for kind, word in KINDS.items() if kind not in ("container", "browse"))

_TABLE = {
    "Target": (
        Option(
            "target",
            "text",
            "Target",
            "Wins over the choices below: NAMESPACE/POD, NAMESPACE/POD/CONTAINER, deploy/NAMESPACE/NAME, node/NAME "
            "or an interface name",
            placeholder="shop/web-7d9f8b6c5-x2x4z",
            keep="never",
            on=("browse",),
        ),
        Option(
            "context",
            "pick",
            "Context",
            "Context of the kubeconfig",
            UNCHOSEN,
            ((UNCHOSEN, "the current context"),),
            keep="never",
            on=("browse",),
        ),
        Option(
            "namespace",
            "pick",
            "Namespace",
            "Namespace of the target",
            UNCHOSEN,
            ((UNCHOSEN, "the context's namespace"),),
            keep="never",
            on=("browse",),
        ),
        Option("kind", "pick", "Kind", "What the name below names", "pod", _KINDS, keep="never", on=("browse",)),
        Option(
            "name",
            "pick",
            "Name",
            "Press Reload to list what there is in the namespace above",
            UNCHOSEN,
            ((UNCHOSEN, "not chosen: press Reload"),),
            keep="never",
            on=("browse",),
        ),
        Option(
            "container",
            "pick",
            "Container",
            "Container whose tcpdump, files and network are used; all containers of a pod share one network",
            UNCHOSEN,
            ((UNCHOSEN, "any"),),
            keep="workload",
            on=_PODS,
        ),
    ),
    "Capture": (
        Option(
            "nic",
            "pick",
            "Network interface",
            "Network interface inside the pod; automatic takes eth0 or the only one",
            UNCHOSEN,
            (
                (UNCHOSEN, "automatic"),
                ("eth0", "eth0"),
                ("lo", "lo (behind a mesh proxy: plaintext)"),
                ("any", "any"),
                ("host", "host end of the pod's veth (method nsenter)"),
            ),
        ),
        Option(
            "filter",
            "text",
            "Capture filter",
            "Used where Wireshark's own capture filter is empty (pcap-filter syntax)",
            placeholder="tcp port 80",
        ),
        Option(
            "snaplen",
            "number",
            "Snapshot length",
            "Bytes kept of each packet; 0 keeps whole packets",
            "0",
            range="0,262144",
        ),
        switch("promiscuous", "Promiscuous mode", "Packets for other addresses too"),
        Option(
            "buffer",
            "text",
            "Buffer",
            "Kernel buffer of tcpdump, such as 4 MiB (from 64 KiB to 1 GiB); empty fits it to the pod's memory limit",
            placeholder="automatic",
        ),
        Option("limit-packets", "number", "Stop after packets", "0 is no limit", "0", range="0,4294967295"),
        Option("limit-bytes", "text", "Stop after bytes", "Such as 500 MB or 2 GiB", placeholder="no limit"),
        Option("limit-time", "text", "Stop after time", "Such as 90s, 5m or 1h30m", placeholder="no limit"),
        Option(
            "limit-rate",
            "text",
            "Rate ceiling per second",
            "Bytes per second read from the pod at most; none is no ceiling",
            "20 MB",
        ),
    ),
    "Method": (
        Option(
            "method",
            "choice",
            "Method",
            "How to capture; naming a method is consent to it",
            "auto",
            (
                ("auto", "automatic: the smallest footprint that works"),
                ("resident", "resident: tcpdump of the container"),
                ("upload", "upload: our tcpdump, for a second a file in the container"),
                ("ephemeral", "ephemeral container: an entry in the pod's spec stays"),
                ("nsenter", "nsenter: a helper pod with access to the node"),
                ("copy", "copy: runs the application a second time"),
            ),
            keep="consent",
        ),
        Option(
            "allow",
            "choice",
            "May use",
            "The largest footprint that the automatic choice may leave",
            "ephemeral",
            (
                ("resident", "nothing but the container's own tcpdump"),
                ("upload", "an uploaded file too"),
                ("ephemeral", "an ephemeral container too"),
                ("nsenter", "a helper pod on the node too"),
            ),
            keep="consent",
        ),
        Option(
            "helper-image",
            "text",
            "Helper image",
            "Image of the helper pod and the ephemeral container, any with sh, dd and sha256sum, best pinned by "
            "digest. As long as it is the default, the ephemeral container runs the target's own image where that has "
            "them; none: no other image is ever run",
            HELPER_IMAGE,
            keep="consent",
        ),
        Option("pull-secret", "text", "Pull secret", "Secret with which the helper image is pulled"),
        Option("helper-namespace", "text", "Helper namespace", "Where the helper pod runs; empty: the target's"),
        Option("service-account", "text", "Service account", "Of the helper pod; its token is never mounted"),
        Option(
            "tolerations",
            "choice",
            "Tolerations",
            "Which taints the helper pod tolerates",
            "all",
            (("all", "all"), ("none", "none")),
        ),
        Option(
            "helper-labels",
            "text",
            "Helper labels",
            "Labels of the helper pod: key=value,key=value",
            placeholder="team=network,cost-center=42",
        ),
        switch("privileged", "Privileged helper allowed", "Only if the unprivileged helper pod failed", keep="consent"),
        Option(
            "upload-folder",
            "text",
            "Upload folder",
            "Folder in the container where the uploaded tcpdump is written; empty: one that works",
            placeholder="/tmp",
            keep="workload",
        ),
        Option(
            "tcpdump",
            "text",
            "Path of tcpdump",
            "tcpdump in the target's container; empty: searched",
            placeholder="/usr/sbin/tcpdump",
            keep="workload",
        ),
        switch(
            "no-print", "Without --print", "A resident tcpdump is run without --print: packets may arrive a second late"
        ),
        switch(
            "service-labels",
            "Copy takes Service traffic",
            "The copy keeps the labels that a Service selects",
            keep="consent",
        ),
        switch(
            "no-events",
            "No Events",
            "A capture that writes anything into the cluster tells of it by no Events on the pod",
        ),
    ),
    "Output": (
        Option(
            "output",
            "choice",
            "Format",
            "pcapng tells source, filter and losses",
            "pcapng",
            (("pcapng", "pcapng"), ("pcap", "pcap")),
        ),
        Option("comment", "text", "Comment", "Written into the capture file (pcapng)"),
        switch("add-who", "Tell who captured", "User and machine, in the file's header"),
        switch("add-where", "Tell where", "Cluster, node and addresses, in the file's header"),
        switch("add-labels", "Tell labels", "Labels of the pod, in the file's header"),
    ),
    "Connection": (
        Option("kubeconfig", "file", "Kubeconfig", "Empty: $KUBECONFIG, then ~/.kube/config", file_exists=True),
        Option("proxy", "text", "Proxy", "Of the API server; empty: as the kubeconfig and environment say"),
        Option("timeout", "number", "Request time-out", "Seconds for an answer of the API server", "10", range="1,600"),
        Option(
            "wait",
            "number",
            "Wait for a pod",
            "Seconds for a pending pod, an ephemeral container or a helper",
            "30",
            range="0,3600",
        ),
        Option(
            "reconnect",
            "number",
            "Reconnect for",
            "Seconds for which a stream that was cut is tried again; 0 ends the capture instead",
            "300",
            range="0,86400",
        ),
    ),
    "Remember for": (
        Option(
            MARKER,
            "choice",
            "Remember for",
            "Where these values are the defaults from now on; method and consent go beyond the workload only by "
            "everywhere",
            "workload",
            (
                ("start", "this start"),
                ("workload", "this workload"),
                ("namespace", "this namespace"),
                ("everywhere", "everywhere"),
            ),
            keep="never",
        ),
    ),
    "Debug": (
        Option(
            "log-level",
            "choice",
            "Log level",
            "What goes to the log file",
            "warning",
            (("error", "error"), ("warning", "warning"), ("info", "info"), ("debug", "debug")),
        ),
        Option("log-file", "file", "Log file", "Empty: the one that `k8s-extcap doctor` names"),
    ),
}

GROUPS = tuple(_TABLE)
OPTIONS = placed(_TABLE)
BY_CALL = {option.call: option for option in OPTIONS}


def shown(kind: str, parent: str) -> list[Option]:
    """The options in the dialog of an interface of this kind. tshark has no dialog, so nothing to remember."""
    return [o for o in OPTIONS if (not o.on or kind in o.on) and (parent == "gui" or o.call != MARKER)]


def find(call: str) -> Option | None:
    """By call, however the host writes it: `--limit-bytes`, `limit-bytes`, `limitbytes`."""
    bare = call.replace("-", "")
    return next((option for option in OPTIONS if option.preference == bare), None)
