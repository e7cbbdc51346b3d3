"""The far side's dead-man switch: a shell text that receives our files, runs the capture, and ends it when its client
is silent, says so, or is gone. On most runtimes an exec'd process outlives its client for good (kubernetes#89031).

    sh -c TEXT k8s-extcap TICKS COUNT [FILE SIZE SHA256]... COMMAND [ARG...]

Lines it reads: anything is a sign of life; `stat` asks tcpdump for its counters (SIGUSR1); `stop` ends the capture.
Lines it writes on stderr, each with `MARK` in front: `need FILE`, `bad FILE`, `ready`, `rc=N`.
Runs in dash, bash and busybox ash; needs rm and sleep, for uploads also dd, chmod and sha256sum.
"""

from __future__ import annotations

from collections.abc import Sequence

from k8s_extcap.model.plan import Upload

MARK = "k8s-extcap: "
BEAT, STAT, STOP = b"b\n", b"stat\n", b"stop\n"
INTERVAL = 5.0  # seconds between signs of life
TICKS = 20  # silent seconds until the guard ends the capture: three beats may be lost on a bad line

# The system's own tools first: a folder of the image's PATH may be the application's to write.
PATH = "PATH=/usr/bin:/bin${PATH:+:$PATH}"  # where they have dd, sha256sum, chmod, rm and sleep

# Each comment line and the indentation are removed before it is sent: a request line has 4,096 bytes for all.
_TEXT = r"""
@PATH@
ticks=$1 count=$2
shift 2
one= two=
say() { echo "k8s-extcap: $*" >&2; }
clean() { rm -f "$one" "$two"; }
exec 3<&0 </dev/null
d= pid= reader= silent=0
# Once a second: the guard counts. In a subshell: ash keeps what a function's redirection replaces. It outlives a
# killed guard just long enough to end the capture and remove the files.
tick() {
  exec 3<&-
  nap=
  trap - EXIT HUP INT PIPE USR1 USR2 ALRM
  trap 'kill $nap; wait $nap; exit' TERM
  while sleep 1 & nap=$!; wait $nap; do
    kill -ALRM $$ || { kill -TERM $pid $reader; clean; sleep 2; kill -KILL $pid; exit; }
  done
}
# A shell that was just forked may lose a signal, and our own interrupt a wait: again, until it is gone.
calm() { while kill $ticker; do wait $ticker; done 2>/dev/null; }
# A client that falls silent in an upload has three times as long as later: a slow line takes its time.
trap 'silent=$((silent+1)); [ $silent -lt $((ticks*3)) ] || exit 129' ALRM
(tick) >/dev/null 2>&1 & ticker=$!
trap 'kill $d $ticker 2>/dev/null; clean' EXIT
trap 'exit 129' HUP INT TERM PIPE
# Exactly SIZE bytes: version 4 of the protocol has no end-of-file, and head reads ahead.
# The file must be new (-C): the name has been seen by all who see our arguments, and a link of that name may wait.
umask 077
set -C
while [ "$count" -gt 0 ]; do
  count=$((count-1))
  say need "$1"
  [ ! -e "$1" ] && {
    two=$one one=$1
    dd bs="$2" count=1 iflag=fullblock <&3 & d=$!
    until wait $d || ! kill -0 $d; do :; done
    d=
  } 2>/dev/null >"$1" &&
  [ "$(sha256sum <"$1")" = "$3  -" ] && chmod 700 "$1" || { say bad "$1"; exit 96; }
  shift 3
done
set +C
trap clean EXIT
calm
@TAIL@
age=0 silent=0 due=0
finish() { [ $due = 0 ] || return 0; due=$((silent+$1)); kill -INT $pid 2>/dev/null; }
# All traps stand before the reader starts: an early sign of life would kill the shell and leave tcpdump alone.
trap 'silent=0' USR1
trap 'silent=0; finish 5' USR2
trap 'silent=$ticks; finish 1' HUP
trap 'finish 1' TERM INT PIPE
# The second tick: what was uploaded runs by now, its name is no longer needed.
trap 'age=$((age+1)) silent=$((silent+1)); [ $age != 2 ] || clean
if [ $due -gt 0 ]; then [ $silent -lt $due ] || kill -KILL $pid; elif [ $silent -ge $ticks ]; then finish 1; fi' ALRM
# Before the program runs: one that floods a stderr of which nobody reads would hold this word up for ever.
say ready
"$@" 3<&- & pid=$!
# The reader and the ticker hold neither stdout nor stderr, or the exec would never end.
(
  trap - EXIT HUP TERM INT PIPE USR1 USR2 ALRM
  while read -r line <&3; do
    case $line in (stop*) kill -USR2 $$;; (stat*) kill -USR1 $pid; kill -USR1 $$;; (*) kill -USR1 $$;; esac || break
  done
  kill -HUP $$ || { kill -TERM $pid; clean; sleep 2; kill -KILL $pid; }
) >/dev/null 2>&1 & reader=$!
(tick) >/dev/null 2>&1 & ticker=$!
exec 3<&-
# A trapped signal interrupts wait; a process that is waited for is gone for kill -0 (a zombie is not).
while :; do wait $pid; code=$?; kill -0 $pid || break; done 2>/dev/null
# Interrupted at the very end: ask once more, a shell that has forgotten the process says 127.
[ $code -lt 129 ] || { wait $pid; last=$?; [ $last = 127 ] || code=$last; } 2>/dev/null
clean
calm
# Of a client that is gone nobody reads our last word, and writing it could take for ever. Goes it now, HUP ends us.
trap - HUP
[ $silent -ge $ticks ] || say rc=$code
{ kill -KILL $reader; wait $reader; } 2>/dev/null
exit $code
"""

# One more argument from the first line of stdin: a capture filter that is too long for the request line.
_TAIL = 'say need -\nIFS= read -r tail <&3 || exit 96\nset -- "$@" "$tail"'


def _compact(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def wrap(
    command: Sequence[str], uploads: Sequence[Upload] = (), *, ticks: int = TICKS, tail: str = ""
) -> tuple[str, ...]:
    """The argv that runs `command` under the guard, after at most two uploads. `tail` not empty: the last argument of
    the command is read from stdin (after `need -`) instead of standing in the argv.
    """
    if len(uploads) > 2:
        raise ValueError("the guard removes two files at most")
    text = _compact(_TEXT.replace("@PATH@", PATH).replace("@TAIL@", _TAIL if tail else ""))
    files = [word for u in uploads for word in (u.path, str(u.size), u.sha256)]
    return ("sh", "-c", text, "k8s-extcap", str(ticks), str(len(uploads)), *files, *command)


def removal(files: Sequence[str]) -> tuple[str, ...]:
    """The argv that removes these files, should the guard not have come to it."""
    return ("sh", "-c", f'{PATH}\nexec rm -f -- "$@"', "k8s-extcap", *files)
