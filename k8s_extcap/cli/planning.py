"""A plan for people, before anything of it is done: each object, each undo, what runs where, what stays."""

from __future__ import annotations

import json
import shlex

from k8s_extcap.model.plan import Plan

_DONE = {"create": "create", "patch": "change", "wait": "wait for", "delete": "delete"}
SHOWN = 100  # characters of a command's word; the guard's text is two thousand


def lines(plan: Plan, note: str) -> list[str]:
    text = [f"target: {plan.target.spoken()} in context {plan.target.context}"]
    if note:
        text.append(f"        {note}")
    text += [f"method: {plan.method}", f"why:    {plan.why}"]
    for step in plan.steps:
        text.append(f"{_DONE[step.verb]}: {step.what} ({step.path})")
        if step.body:
            text += [f"    {line}" for line in json.dumps(step.body, indent=2, ensure_ascii=False).splitlines()]
        if step.undo:
            text.append(f"    undone afterwards: it is deleted{' as ' + step.name if step.name else ''}")
        if step.stays:
            text.append(f"    stays: {step.stays}")
    for spec in plan.execs:
        text.append(
            f"run in container {spec.container or 'of the helper'} of {spec.namespace}/{spec.pod or '(helper)'}:"
        )
        words = (word if len(word) <= SHOWN else word[:SHOWN].rstrip() + "…" for word in spec.command)
        text.append("    " + " ".join(shlex.quote(" ".join(word.split())) for word in words))
        for upload in spec.uploads:
            text.append(f"    upload {upload.file} to {upload.path} ({upload.size} bytes), removed as soon as it runs")
    text.append(f"stays in the cluster afterwards: {plan.leaves}")
    return text
