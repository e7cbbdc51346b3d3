"""The file that Wireshark runs: a shell text, because a `#!` line breaks on blanks and beyond 255 bytes.

One `exec` of Python, isolated and without site-packages. Where the interpreter or the package is gone the text itself
answers, with one interface that says what to do: an extcap that fails is a row that silently vanishes. The recorded
environment fills what a desktop session lacks; what is set where Wireshark was started counts first.
"""

from __future__ import annotations

import shlex

from k8s_extcap.version import VERSION

# Recorded by `install`: how the cluster is found and reached, and by which programs credentials are got.
RECORDED = (
    "PATH",
    "KUBECONFIG",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)

_TEMPLATE = """\
#!/bin/sh
# Lists Kubernetes pods as interfaces of Wireshark and captures from them.
{alone}
{where}
if [ -x "$python" ] && [ -r "$entry" ]; then
{environment}    exec "$python" -I -S -E -X utf8 "$entry" "$@"
fi

# Only the shell is left: Wireshark shall show why, and not wait for a capture that cannot come.
advice={advice}
action= fifo= word=
for argument do
    case $word in --fifo) fifo=$argument ;; esac
    case $argument in
        --capture) action=$argument ;;
        --extcap-interfaces | --extcap-dlts | --extcap-config) action=${{action:-$argument}} ;;
        --extcap-capture-filter | --extcap-capture-filter=*) action=${{action:-filter}} ;;
        --fifo=*) fifo=${{argument#*=}} ;;
    esac
    word=$argument
done
case $action in
    --extcap-interfaces)
        printf '%s\\n' 'extcap {{version=0}}{{display=Kubernetes}}'
        printf '%s\\n' "interface {{value=k8s-broken}}{{display=$advice}}" ;;
    --extcap-dlts) printf '%s\\n' 'dlt {{number=1}}{{name=EN10MB}}{{display=Ethernet}}' ;;
    --extcap-config | filter) ;;
    *)
        if [ -n "$fifo" ]; then : > "$fifo"; fi
        printf '%s\\n' "$advice" >&2
        exit 1 ;;
esac
"""

# Every tshark asks every extcap for its list before any capture. One that names an interface of this machine and none
# else wants nothing of ours: then no Python is started, which would be a twentieth of what that tshark costs. What is
# not plainly so is left to the program (wireshark/parent.py).
_ALONE = """\
alone() {{
    case ${{1##*/}} in tshark) shift ;; *) return 1 ;; esac
    source=
    while [ $# -gt 0 ]; do
        case $1 in
            -i) case $source${{2:-/}} in */* | . | ..) return 1 ;; esac
                [ -e "/sys/class/net/$2" ] || return 1
                source=/ ;;
            -a | -b | -c | -e | -f | -F | -s | -T | -w | -Y) ;;
            -l | -n | -p | -P | -q | -Q | -V | -x) shift; continue ;;
            *) return 1 ;;
        esac
        [ $# -gt 1 ] || return 1
        shift 2
    done
    [ "$source" ]
}}
if [ "$1" = --extcap-interfaces ] && read -r name < "/proc/$PPID/comm" && [ "$name" = tshark ]; then
    if (set -f; IFS='
'; alone $(tr '\\0' '\\n' < "/proc/$PPID/cmdline")); then
        echo 'extcap {{version={version}}}{{display=Kubernetes}}'
        exit
    fi
fi 2>/dev/null"""

ADVICE = "k8s-extcap cannot start: its Python or its package is gone. Install it again, then run: k8s-extcap install"
_CHECKOUT_ADVICE = "k8s-extcap cannot start: no Python 3.11 was found for this checkout. Run: script/bootstrap"

_CHECKOUT = """\
here=$0
if [ -L "$here" ]; then here=$(readlink -f -- "$here"); fi
case $here in /*) ;; *) here=$PWD/$here ;; esac
entry=${here%/*/*}/k8s_extcap/__main__.py
cache=${XDG_CACHE_HOME:-$HOME/.cache}
python=${K8S_EXTCAP_PYTHON:-$cache/k8s-extcap/venv/current/bin/python}
if [ ! -x "$python" ]; then
    python=$(command -v python3 || :)
    "$python" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || python=
fi"""


def render(python: str, entry: str, environment: dict[str, str]) -> str:
    """The launcher of an installation: absolute paths of the interpreter and of the package's `__main__.py`."""
    where = f"python={shlex.quote(python)}\nentry={shlex.quote(entry)}"
    return _TEMPLATE.format(
        alone=_alone(), where=where, environment=_environment(environment), advice=shlex.quote(ADVICE)
    )


def checkout() -> str:
    """The launcher that stands in `extcap/` of the source tree and finds everything relative to itself."""
    return _TEMPLATE.format(alone=_alone(), where=_CHECKOUT, environment="", advice=shlex.quote(_CHECKOUT_ADVICE))


def _alone() -> str:
    return _ALONE.format(version=VERSION)


def recorded(environment: dict[str, str]) -> dict[str, str]:
    """What of an installing shell's environment goes into the launcher."""
    return {name: environment[name] for name in RECORDED if environment.get(name)}


def _environment(environment: dict[str, str]) -> str:
    """Shell lines. Folders of PATH are appended, all else is set where it is not set, by nobody's process start."""
    lines = []
    for name, value in environment.items():
        if not name.isidentifier() or not name.isascii():
            raise ValueError(f"{name!r} is no name of an environment variable")
        if name == "PATH":
            lines += [
                "    PATH=${PATH:-/usr/bin:/bin}",
                *(_folder(f) for f in value.split(":") if f.startswith("/")),  # "." is where Wireshark stands
                "    export PATH",
            ]
        else:
            lines.append(f'    if [ -z "${{{name}+set}}" ]; then {name}={shlex.quote(value)}; export {name}; fi')
    return "".join(line + "\n" for line in lines)


def _folder(path: str) -> str:
    quoted = shlex.quote(path)
    return f'    case ":$PATH:" in *:{quoted}:*) ;; *) PATH=$PATH:{quoted} ;; esac'
