"""The shell text that runs in a helper pod on the node: from a pod's identity to its network namespace, then tcpdump.

    sh -c TEXT enter IDS CONTAINER ADDRESSES NIC NSX PROGRAM [ARG...]

IDS are the pod's uid as cgroup paths write it, or `-` for the node itself. `@nic` among the arguments becomes the
interface found, ` or @own)` at the end of one the runtime's own ports. In a cgroup path the *first* pod decides: a
container may make cgroups below its own, and name them as it likes. Where the node is itself a pod's container, the
helper's own path tells how many pods are above.

What is found here is only a guess until `nsx` has proven it: same process, not the node's namespace, the pod's address
inside. With several candidates the first that is proven is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address

from k8s_extcap.model.errors import MethodError, clip

NODE = "-"
HOST_END = "host"  # value of the option Network interface: the host end of the pod's veth
NIC = "@nic"
OWN = "@own"  # last in a filter's list of ports
NOT_FOUND = 97  # exit code: no process of the pod, or no such interface

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,127}")  # a UUID, the digest of a static pod's file, a container's id

# Sets `mark` to the component that names our pod and `deep` to what follows it, if the cgroup file $1 is of our pod.
_BELONGS = r"""
pods_above=1
parts() {
  rest=${1#*:*:} seen=0 mark= deep=
  while [ -n "$rest" ]; do
    part=${rest%%/*}
    case $rest in (*/*) rest=${rest#*/};; (*) rest=;; esac
    case $part in
      (pod?*|*-pod?*.slice|*-pod?*.slice:*)
        seen=$((seen+1))
        [ $seen != "$2" ] || { mark=$part deep=$rest; return; };;
    esac
  done
}
belongs() {
  while IFS= read -r line; do
    parts "$line" $pods_above
    for id in $ids; do
      case $mark in (pod"$id"|*-pod"$id".slice|*-pod"$id".slice:*) return 0;; esac
    done
  done <"$1"
  return 1
} 2>/dev/null
depth() {
  while IFS= read -r line; do
    parts "$line" 0
    [ $seen -le $pods_above ] || pods_above=$seen
  done <"$1"
} 2>/dev/null
"""

# The pod's own container first, its plain processes before those of containers inside containers.
_FIND = r"""
candidates() {
  one= two= three=
  files=$(for id in $ids; do grep -lsF -e "$id" $proc/[0-9]*/cgroup; done)
  command -v grep >/dev/null || files=$(echo $proc/[0-9]*/cgroup)
  for f in $files; do
    belongs $f || continue
    p=${f%/cgroup} p=${p##*/}
    case $deep in
      (*/*) three="$three $p:$mark";;
      (*"$cid"*) one="$one $p:$mark";;
      (*) two="$two $p:$mark";;
    esac
  done
  echo $one $two $three
}
"""

_CHOOSE = r"""
nic() {
  names= route=
  while read -r n x; do
    case $n in (lo:*) ;; (*:*) names="$names ${n%%:*}";; esac
  done <"$1/net/dev"
  while read -r n to x; do [ "$to" != 00000000 ] || route=${route:-$n}; done <"$1/net/route"
  case " $names " in
    (*" eth0 "*) [ -z "$2" ] && echo eth0 || echo "${route:-eth0}";;
    (*) echo "${route:-${names#" "}}";;
  esac
} 2>/dev/null
peer() {
  inside=$proc/$1/root/sys/class/net/$2
  read -r index <"$inside/ifindex" && read -r link <"$inside/iflink" || return
  for d in $proc/1/root/sys/class/net/*; do
    read -r i <"$d/ifindex" && read -r l <"$d/iflink" || continue
    [ "$i" = "$link" ] && [ "$l" = "$index" ] && [ "$i" != "$l" ] && echo "${d##*/}" && return
  done
} 2>/dev/null
"""

# The ports that the node's container runtime listens on. One of them, a random one, carries every exec over the
# loopback, this capture too. A process in a pod may call itself as it likes, so it is none of those.
_RUNTIME = r"""
runtime() {
  held=
  depth $proc/self/cgroup
  for p in $proc/[0-9]*; do
    read -r comm <$p/comm || continue
    case $comm in (containerd|crio|cri-dockerd) ;; (*) continue;; esac
    while IFS= read -r line; do
      parts "$line" $pods_above
      [ -z "$mark" ] || continue 2
    done <$p/cgroup
    held="$held $(ls -l $p/fd/)"
  done
  for f in $proc/1/net/tcp $proc/1/net/tcp6; do
    while read -r n at to state q t r u o inode x; do
      [ "$state" = 0A ] || continue
      case $held in (*"socket:[$inode]"*) printf ' or tcp port %d' $((0x${at##*:}));; esac
    done <$f
  done
} 2>/dev/null
"""

# The guard unlinks what was uploaded after a second or two; a look through a large node's /proc may take longer.
_ENTER = r"""
ids=$1 cid=$2 addresses=$3 wanted=$4 nsx=$5 program=$6 proc=${K8S_EXTCAP_PROC:-/proc}
shift 6
: >"${nsx%/*}/busy-$$"
mv "$nsx" "$nsx.run" && mv "$program" "$program.run" || exit 97
nsx=$nsx.run program=$program.run
die() { echo "helper: $1" >&2; exit 97; }
proof=
for a in $addresses; do proof="$proof -a $a"; done
if [ "$ids" = - ]; then
  pid=1 proof=-n
else
  depth $proc/self/cgroup
  said="no process on this node belongs to the pod" pid=
  for c in $(candidates); do
    said=$("$nsx" -c "${c#*:}" $proof "${c%%:*}" "$program" --version 2>&1) && pid=${c%%:*} mark=${c#*:} && break
  done
  [ -n "$pid" ] || die "${said#nsx: }"
  [ "$wanted" = host ] || proof="-c $mark $proof"
fi
case $wanted in
  ("") name=$(nic $proc/$pid "${proof#"${proof#-n}"}");;
  (host) name=$(peer $pid "$(nic $proc/$pid "")") pid=1 proof=-n;;
  (*) name=$wanted;;
esac
name=${name%% *}
[ -n "$name" ] || die "no network interface was found"
n=$#
while [ $n -gt 0 ]; do
  a=$1 n=$((n-1))
  shift
  [ "$a" != @nic ] || a=$name
  case $a in (*" or @own)") a="${a%" or @own)"}$(runtime))";; esac
  set -- "$@" "$a"
done
echo "helper: interface $name" >&2
exec "$nsx" $proof $pid "$program" "$@"
"""


def text() -> str:
    lines = (line.strip() for line in (_BELONGS + _FIND + _CHOOSE + _RUNTIME + _ENTER).splitlines())
    return "\n".join(line for line in lines if line)


def ids(uid: str, annotations: dict[str, str]) -> str:
    """What a cgroup path calls the pod. Dashes are underscores with the systemd driver; a static pod runs under the
    digest of its file, the API's uid of its mirror is another. MethodError for what cannot be one: the shell splits
    these words, and a lone dash means the node.
    """
    own = annotations.get("kubernetes.io/config.hash", "") or uid
    if not _ID.fullmatch(own):
        raise MethodError(
            f"The cluster calls the pod '{clip(own, 60)}', which no node calls a pod. Try again, or another method."
        )
    return " ".join(dict.fromkeys((own, own.replace("-", "_"))))


def container(found: str) -> str:
    """A container's id, `-` where that is not known or none."""
    return found if _ID.fullmatch(found) else "-"


def addresses(ips: Iterable[str]) -> str:
    """The addresses of which one must be in the pod's network. MethodError where none of them is one."""
    good = [ip for ip in ips if _is_address(ip)]
    if not good:
        raise MethodError(
            "The cluster gives the pod no IP address that is one, so its network could not be proven to be its own. "
            "Try again, or another method."
        )
    return " ".join(good)


def _is_address(text: str) -> bool:
    try:
        return "%" not in str(ip_address(text))
    except ValueError:
        return False
