"""A plan for people, before anything of it is done: each object, each undo, what runs where, what stays."""

from __future__ import annotations

import json
import shlex
from typing import Any

from k8s_extcap.model.plan import Plan

_DONE = {"create": "create", "patch": "change", "wait": "wait for"}
SHOWN = 160  # characters of a text; the guard's, which is in the source for all to read, has two thousand


def lines(plan: Plan, note: str) -> list[str]:
    text = [f"target: {plan.target.spoken()} in context {plan.target.context}"]
    if note:
        text.append(f"        {note}")
    text += [f"method: {plan.method}", f"why:    {plan.why}"]
    for step in plan.steps:
        text.append(f"{_DONE[step.verb]}: {step.what} ({step.path})")
        if step.body:
            text += [f"    {line}" for line in json.dumps(_short(step.body), indent=2, ensure_ascii=False).splitlines()]
        if step.undo:
            text.append(f"    undone afterwards: it is deleted{' as ' + step.name if step.name else ''}")
        if step.stays:
            text.append(f"    stays: {step.stays}")
    for spec in plan.execs:
        text.append(
            f"run in container {spec.container or 'of the helper'} of {spec.namespace}/{spec.pod or '(helper)'}:"
        )
        text.append("    " + " ".join(shlex.quote(_short(word)) for word in spec.command))
        for upload in spec.uploads:
            text.append(f"    upload {upload.file} to {upload.path} ({upload.size} bytes), removed as soon as it runs")
    text.append(f"stays in the cluster afterwards: {plan.leaves}")
    return text


def _short(value: Any) -> Any:
    """The same with every long text cut: people read this."""
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value]
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{' '.join(value[:SHOWN].split())}… ({len(value)} characters)"
    return value
