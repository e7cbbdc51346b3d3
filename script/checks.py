"""Lint, types, all tests, and one honest account at the end: `script/test` runs this in the environment it made."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import NamedTuple

from script import builds, ledger

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

# Windows: whatever a function does there instead, it ends with, and the rest cannot be reached.
ELSEWHERE = {"macOS": ("darwin",), "Windows": ("win32", "--no-warn-unreachable")}
CHECKS = {
    "lint": (str(BIN / "ruff"), "check"),
    "format": (str(BIN / "ruff"), "format", "--check"),
    "walls": (str(BIN / "lint-imports"), "--no-cache"),
    "types": (str(BIN / "mypy"),),
    **{
        f"types on {name}": (str(BIN / "mypy"), f"--cache-dir=.mypy_cache/{name}", "--platform", *words, "k8s_extcap")
        for name, words in ELSEWHERE.items()
    },
}

SECOND_TRIES = 12  # failures of one run that may be a busy machine's; more are a defect
SLOW, SLOWEST = 5.0, 10  # seconds that a test should not need, and how many of those that do are named
MOST = 6  # runs side by side: each starts with four seconds of collecting
TEARDOWN_SECONDS = 60  # windows, clusters and chroots of the test that was running

# pytest's own codes: all passed, some failed, and nothing to run in this phase (with arguments that is no error).
PYTEST_PASSED, PYTEST_FAILED, PYTEST_NOTHING = 0, 1, 5


class Account(NamedTuple):
    """What happened, all in all."""

    outcomes: list[ledger.Outcome]
    broken: list[str]  # checks, builds and runs that failed, each as a sentence
    seconds: float


def check(name: str, command: tuple[str, ...]) -> str:
    """Runs one static check, shows its output only if it complains, and returns the complaint's title or ''."""
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    verdict = "FAILED" if done.returncode else "ok"
    output = done.stdout.decode(errors="replace") if done.returncode else ""
    print(f"{name:<18}{verdict}  {time.monotonic() - started:.1f} s\n{output}", end="", flush=True)
    if done.returncode:
        return f"{name}: {' '.join([Path(command[0]).name, *command[1:]])}"
    return ""


def static() -> list[str]:
    """All static checks, two at a time; the titles of those that complain."""
    with ThreadPoolExecutor(2) as pool:
        longest_first = sorted(CHECKS, key=lambda name: not name.startswith("types"))
        return list(pool.map(lambda name: check(name, CHECKS[name]), longest_first))


def attended(commands: list[list[str]], environment: dict[str, str]) -> list[int]:
    """Runs them side by side and returns their exit codes; the output of all but the first is shown when it is whole.

    Each has a process group of its own, so that an interruption reaches it once, from here, and leaves it the time to
    take down what it set up; Ctrl+C of a terminal would reach it twice, which cuts that short.
    """
    with ExitStack() as stack:
        logs = [None, *(stack.enter_context(tempfile.TemporaryFile()) for _ in commands[1:])]
        processes = [
            subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
            for command, log in zip(commands, logs, strict=True)
        ]
        try:
            codes = [process.wait() for process in processes]
        except KeyboardInterrupt:
            for process in processes:
                process.send_signal(signal.SIGINT)
            for process in processes:
                process.wait(TEARDOWN_SECONDS)
            raise
        for log in logs[1:]:
            if log:
                log.seek(0)
                sys.stdout.write(log.read().decode(errors="replace"))
    return codes


def heed_interruptions() -> None:
    """SIGINT, too: a shell without job control has its background jobs ignore it, and our children with them."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupt)


def interrupt(number: int, frame: object) -> None:
    """Makes the end of a terminal or of a CI job unwind like Ctrl+C."""
    del number, frame
    raise KeyboardInterrupt


def run_tests(phase: str, book: Path, arguments: list[str], *, building: bool = True) -> str:
    """Runs one phase; returns what is wrong beyond single tests, or ''.

    The fast one is shared out between one run more than there are cores, as its tests wait for processes half of their
    time; the rest between the real cluster and what does without. The fast one also tells the fixtures to build
    nothing (K8S_EXTCAP_BUILD), since a build may be going on beside it.
    """
    fast = phase == "fast"
    environment = {**os.environ, "K8S_EXTCAP_BUILD": "no" if fast or not building else "yes"}
    cores = os.cpu_count() or 1
    shares = {"fast": min(cores + 1, MOST), "rest": min(cores, 2), "again": 1}[phase]
    command = [sys.executable, "-m", "pytest", "-p", "script.ledger", f"--ledger={book}", f"--phase={phase}"]
    started = time.monotonic()
    codes = attended([[*command, f"--share={n}/{shares}", *arguments] for n in range(1, shares + 1)], environment)
    print(f"tests ({phase}): {time.monotonic() - started:.0f} s", flush=True)
    strange = [code for code in codes if code not in (PYTEST_PASSED, PYTEST_FAILED, PYTEST_NOTHING)]
    return f"tests ({phase}): pytest ended with code {strange[0]}" if strange else ""


def whole(book: Path, arguments: list[str], logs: Path) -> list[str]:
    """The static checks and the fast suite with the builds beside them, then the rest. Returns what broke."""
    builders = builds.Builders(builds.wanted(), logs)
    try:
        broken = static()
        builders.wait_for(builds.PAYLOAD)
        broken.append(run_tests("fast", book, arguments))
        for built in builders.finish():
            print(f"built {built.name} in {built.seconds:.0f} s{': FAILED' if built.problem else ''}", flush=True)
            broken.append(f"build {built.name}: {built.problem}" if built.problem else "")
        broken.append(run_tests("rest", book, arguments))
    finally:
        builders.cancel()
    return broken


def second_try(book: Path, arguments: list[str], *, building: bool) -> str:
    """Runs what failed once more, one test after the other. Many failures are no accident and are left as they are."""
    failed = [outcome for outcome in ledger.read(book).values() if outcome.word == "failed"]
    if not failed or len(failed) > SECOND_TRIES:
        return ""
    print(f"\n{len(failed)} failed: each gets a second try, alone", flush=True)
    return run_tests("again", book, arguments, building=building)


def report(account: Account) -> int:
    """Prints what was skipped and what broke; the last line counts. Returns the exit code."""
    skipped = defaultdict(list)
    for outcome in account.outcomes:
        if outcome.word in ("skipped", "left-out"):
            skipped[outcome.reason].append(outcome.test)
    if skipped:
        print("\nNot run:")
        for reason, tests in sorted(skipped.items(), key=lambda entry: -len(entry[1])):
            print(f"  {len(tests):>4}  {reason}  (such as {tests[0]})")
    again = [outcome.test for outcome in account.outcomes if outcome.reason == ledger.AGAIN]
    if again:
        print("\nPassed only at the second try:")
        for test in again:
            print(f"  {test}")
    slow = sorted((outcome for outcome in account.outcomes if outcome.seconds >= SLOW), key=lambda o: -o.seconds)
    if slow:
        print("\nSlowest:")
        for outcome in slow[:SLOWEST]:
            print(f"  {outcome.seconds:>6.1f} s  {outcome.test}")
    words = ledger.count(account.outcomes)
    failed = [f"test {outcome.test}" for outcome in account.outcomes if outcome.word == "failed"] + account.broken
    if not account.outcomes:
        failed.append("no test was found")
    if failed:
        print("\nFailed:")
        for sentence in failed:
            print(f"  {sentence}")
    left_out = words["skipped"] + words["left-out"]
    print(
        f"\n{words['passed']} passed, {len(failed)} failed, {left_out} skipped in {account.seconds:.0f} s", flush=True
    )
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    heed_interruptions()
    started = time.monotonic()
    fast = "--fast" in arguments
    passed_on = [argument for argument in arguments if argument != "--fast"]
    builds.payload_at_hand()
    logs = Path(tempfile.mkdtemp(prefix="k8s-extcap-test-"))
    book = logs / "outcomes.jsonl"
    broken: list[str] = []
    try:
        with nullcontext() if fast else builds.cluster_as_before():
            broken += [*static(), run_tests("fast", book, passed_on)] if fast else whole(book, passed_on, logs)
            broken.append(second_try(book, passed_on, building=not fast))
    except KeyboardInterrupt:
        broken.append("interrupted")
    outcomes = list(ledger.read(book).values())
    code = report(Account(outcomes, [sentence for sentence in broken if sentence], time.monotonic() - started))
    if code == 0:
        shutil.rmtree(logs)  # otherwise they are what one wants to read
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
