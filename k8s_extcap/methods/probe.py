"""One look into a container: a shell text that one exec runs there, and the parser of what it prints.

The text is for dash, bash and busybox ash. It uses what the shell itself has, plus the tools that happen to be there;
whatever is missing leaves a line out. It is read by `sh -s` from standard input, so that the request line of the exec
stays short (`command`, `script`). To learn where a file can be written *and run* it writes an empty file, runs it and
removes it: an image's `test -w` says yes to root on a read-only file system (busybox), and a mount may be noexec.
Root does so only where nobody else can put another file in its place; a folder that was asked for is taken as it is.

What comes back is untrusted: anyone in the pod may have written it. Every value has a shape and a bound.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from k8s_extcap.model.plan import CAP_NET_RAW, ContainerFacts, Place, Tri

TOOLS = ("dd", "sha256sum", "chmod", "rm", "mv", "sleep", "nsenter")
LIMIT = 65_536  # characters looked at: the text prints some 2 KB in an ordinary container
PLACES = 8  # folders tried; each costs three short processes
NO_LIMIT = 1 << 60  # cgroup v1 says "none" as the largest multiple of a page below 2^63

_LINE = re.compile(r"([a-z_0-9]{1,24})=([^\x00-\x1f\x7f]{0,400})")
_PATH = re.compile(r"/[\x21-\x7e]{0,200}")
_NIC = re.compile(r"[\x21-\x2e\x30-\x7e]{1,15}")  # IFNAMSIZ - 1, no slash, no blank (linux/if.h, dev_valid_name)
_VERSION = re.compile(r"tcpdump version (\d{1,4}(?:\.\d{1,4}){0,3})")

# The system's own tools first: a folder of the image's PATH may be the application's to write.
_HEAD = r"""umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin${PATH:+:$PATH}:/usr/local/sbin
say() { printf '%s=%s\n' "$1" "$2"; }
line() { [ -r "$2" ] && read -r l <"$2" && say "$1" "$l"; }
"""

# operstate says "unknown" for lo and for many virtual devices, so the flag IFF_UP is read.
_NICS = r"""for d in /sys/class/net/*; do
  [ -r "$d/flags" ] && read -r l <"$d/flags" && say nic "$l ${d##*/}"
done
[ -d /sys/class/net ] || [ ! -r /proc/net/dev ] || while read -r n x; do
  case $n in (*:*) say nic "? ${n%%:*}";; esac
done </proc/net/dev
[ ! -r /proc/net/route ] || while read -r n t x; do
  [ "$t" != 00000000 ] || say route "$n"
done </proc/net/route
"""

# Whether nobody but root can put another file in place of one in that folder.
_BODY = r"""safe() {
  set -- $(ls -ldn "$1/")
  case $1 in (d????-??-*|d????????[tT]*) [ "$3" = 0 ];; (*) false;; esac
}
[ ! -r /proc/self/status ] || while read -r k a b x; do
  case $k in (Uid:) u=$b; say uid "$b";; (CapEff:) say cap_eff "$a";; esac
done </proc/self/status
if m=$(uname -m); then say machine "$m"; else line machine /proc/sys/kernel/arch; fi
for x in dd sha256sum chmod rm mv sleep nsenter; do command -v $x >/dev/null && say tool $x; done
t=$2
[ -n "$t" ] || { t=$(command -v tcpdump) && [ "$u" = 0 ] && ! safe "${t%/*}" && t=; }
if [ -n "$t" ] && [ -x "$t" ]; then
  say tcpdump "$t"
  "$t" --version 2>&1 </dev/null | while read -r l; do
    case $l in (tcpdump\ version\ *) say tcpdump_version "$l"; break;; esac
  done
  case $("$t" -n -i k8sx-none -w /dev/null 2>&1 </dev/null) in
    (*ermission*|*ermitted*) say tcpdump_may 0;;
    (*uch\ device*) say tcpdump_may 1;;
  esac
  [ ! -r /etc/passwd ] || while IFS=: read -r n x; do [ "$n" != tcpdump ] || say tcpdump_user 1; done </etc/passwd
fi
c=/sys/fs/cgroup
line memory_max $c/memory.max
line memory_used $c/memory.current
line memory_max $c/memory/memory.limit_in_bytes
line memory_used $c/memory/memory.usage_in_bytes
for f in $c/memory.stat $c/memory/memory.stat; do
  [ ! -r $f ] || while read -r k a; do
    case $k in (inactive_file|total_inactive_file) say memory_cache "$a";; esac
  done <$f
done
line cpu_max $c/cpu.max
for d in $c/cpu $c/cpu,cpuacct; do
  line cpu_quota $d/cpu.cfs_quota_us; line cpu_period $d/cpu.cfs_period_us
done
seen=: f=
trap 'rm -f "$f"' EXIT
trap 'exit 1' HUP INT TERM PIPE
place() {
  case $seen in (*:"$1":*) return;; esac
  [ ${#seen} -lt 900 ] && [ -d "$1" ] || return
  seen=$seen$1:
  [ "$u" != 0 ] || safe "$1" || return
  f=${1%/}/.k8s-extcap-probe-$$
  ( set -C; : >"$f" ) || { f=; return; }
  chmod 700 "$f" && "$f" </dev/null >/dev/null; r=$?
  rm -f "$f"; f=
  [ $r = 0 ] || return
  best=0 type=
  while read -r x m s x; do
    case $1/ in ("${m%/}"/*) [ ${#m} -lt $best ] || best=${#m} type=$s;; esac
  done </proc/mounts
  free=$(df -Pk "$1" | { read -r x; read -r x x x a x; echo "$a"; })
  say place "${type:-?} ${free:-?} $1"
}
if ! command -v rm >/dev/null || ! command -v chmod >/dev/null; then :
elif [ -n "$1" ]; then u=; place "$1"
else
  place /tmp; place /var/tmp
  [ ! -r /proc/mounts ] || while read -r x m s o x; do
    case $m in (/proc*|/sys*|/dev|/dev/*|/etc/*|*/secrets/*|*\\*|/) continue;; esac
    case $s in (tmpfs|ext[234]|xfs|btrfs|f2fs|overlay) ;; (*) continue;; esac
    case ,$o, in (*,ro,*|*,noexec,*) ;; (*) place "$m";; esac
  done </proc/mounts
  place /dev; place "$PWD"
fi
"""

_TAIL = "say end 1\nexit 0\n"


class Nic(NamedTuple):
    """A network interface of the pod. `up` None: the pod does not show it."""

    name: str
    up: Tri = None
    default: bool = False  # the IPv4 default route leaves by it


def command(folder: str = "", tcpdump: str = "") -> tuple[str, ...]:
    """The exec's argv. `folder` is the only place tried for an upload, `tcpdump` the only program looked at, if set."""
    return ("sh", "-s", "--", folder, tcpdump)


def script(*, nics_only: bool = False) -> bytes:
    """What goes to standard input. `nics_only`: no writing, no running; for the dialog's list of interfaces."""
    body = "" if nics_only else _BODY
    # One compound command: the shell has read all of it before it runs any, whatever its children do with stdin.
    return f"{{\n{_HEAD}{_NICS}{body}{_TAIL}}} 2>/dev/null </dev/null\n".encode("ascii")


def _values(text: str) -> dict[str, list[str]]:
    """Lines `key=value` by key; a line of another shape is none of ours (the last may be cut: it needs its newline)."""
    found: dict[str, list[str]] = {}
    for line in text[:LIMIT].split("\n")[:-1]:
        match = _LINE.fullmatch(line)
        if match:
            found.setdefault(match[1], []).append(match[2])
    return found


def _number(values: list[str], base: int = 10) -> int | None:
    """The first value as a number of at most 64 bits; "max", nonsense and nothing are None."""
    digits = values[0] if values else ""
    if not digits.isascii() or not digits.isalnum() or len(digits) > 20:
        return None
    try:
        number = int(digits, base)
    except ValueError:
        return None
    return number if number < 1 << 64 else None


def _flag(values: list[str]) -> Tri:
    return {"0": False, "1": True}.get(values[0]) if values else None


def nics(text: str) -> tuple[Nic, ...]:
    """The interfaces, best choice first: default route, eth0, as listed, then those that are down, `lo` last."""
    return _nics(_values(text))


def _nics(values: dict[str, list[str]]) -> tuple[Nic, ...]:
    routes = values.get("route", [])[:16]
    found: dict[str, Nic] = {}
    for value in values.get("nic", [])[:256]:
        flags, _, name = value.partition(" ")
        if _NIC.fullmatch(name):
            bits = _number([flags.removeprefix("0x")], 16)
            found[name] = Nic(name, None if bits is None else bool(bits & 1), name in routes)
    order = sorted(found.values(), key=lambda n: (n.name == "lo", n.up is False, not n.default, n.name != "eth0"))
    return tuple(order)


def _places(values: list[str]) -> tuple[Place, ...]:
    found: list[Place] = []
    for value in values[:PLACES]:
        kind, _, rest = value.partition(" ")
        free, _, path = rest.partition(" ")
        if _PATH.fullmatch(path):
            blocks = _number([free])
            found.append(Place(path, None if blocks is None else blocks * 1024, tmpfs=kind in ("tmpfs", "ramfs")))
    return tuple(found)


def _cpu_millis(values: dict[str, list[str]]) -> int | None:
    pair = values.get("cpu_max", [""])[0].split()
    quota = _number(pair[:1] or values.get("cpu_quota", []))
    period = _number(pair[1:2] or values.get("cpu_period", []))
    return quota * 1000 // period if quota and period else None


def parse(container: str, text: str) -> ContainerFacts:
    """What the container's answer says. Anything missing, cut or misshapen is unknown; never an error."""
    values = _values(text)

    def get(key: str) -> list[str]:
        return values.get(key, [])

    limit, used, cap_eff = _number(get("memory_max")), _number(get("memory_used")), _number(get("cap_eff"), 16)
    cache = max((_number([v]) or 0 for v in get("memory_cache")), default=0)  # v1: its own, then the subtree's
    path = get("tcpdump")[:1]
    version = _VERSION.match(get("tcpdump_version")[0]) if get("tcpdump_version") else None
    may = _flag(get("tcpdump_may"))
    machine = get("machine")[:1]
    raw = cap_eff is not None and bool(cap_eff >> CAP_NET_RAW & 1)
    return ContainerFacts(
        name=container,
        shell=True if values else None,
        uid=_number(get("uid")),
        cap_eff=cap_eff,
        machine=machine[0] if machine and re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", machine[0]) else "",
        tcpdump=path[0] if path and _PATH.fullmatch(path[0]) else "",
        tcpdump_version=tuple(map(int, version[1].split("."))) if version else (),
        tcpdump_caps=None if may is None else may and not raw,
        tcpdump_user=bool(get("tcpdump_user")),
        tools=tuple(t for t in TOOLS if t in get("tool")),
        places=_places(get("place")),
        nics=tuple(n.name for n in _nics(values) if n.up is not False),
        memory_limit=limit if limit is not None and limit < NO_LIMIT else None,
        memory_used=None if used is None else max(used - cache, 0),  # pages of files can be taken back at any time
        cpu_millis=_cpu_millis(values),
    )
