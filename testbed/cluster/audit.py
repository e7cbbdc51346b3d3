"""The audit log of the API server: who asked for what, with which User-Agent; without what the cluster's own parts ask,
which is nearly everything. Kubernetes documentation: Auditing.
"""

from __future__ import annotations

import json
from pathlib import Path

from testbed.cluster import pki
from testbed.cluster.bed import Bed

SIZE = 50  # megabytes of the log until it is begun anew; a request takes one kilobyte

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
        {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"]},
        {"level": "Metadata"},
    ],
}


def log(bed: Bed) -> Path:
    return bed.logs / "audit.log"


def flags(bed: Bed) -> list[str | Path]:
    """For the API server. JSON is YAML too."""
    policy = bed.pki / "audit-policy.yaml"
    pki.write(policy, json.dumps(POLICY).encode())
    return [
        f"--audit-policy-file={policy}", f"--audit-log-path={log(bed)}", f"--audit-log-maxsize={SIZE}",
        "--audit-log-maxbackup=1",
    ]  # fmt: skip
