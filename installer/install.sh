#!/bin/sh
# Installs k8s-extcap for the user who runs it:   curl -fsSL URL-OF-THIS-FILE | sh
#
#   sh install.sh [--source WHEEL-OR-FOLDER] [--no-launcher] [--uninstall]
#
# A private Python environment below ${XDG_DATA_HOME:-~/.local/share}/k8s-extcap, a link in ~/.local/bin, then
# `k8s-extcap install`, which lets Wireshark find it. Nothing is put into the system or into its Python (PEP 668), and
# nothing needs root. A second run updates: the new environment is complete before the old one goes.
set -eu

data=${XDG_DATA_HOME:-$HOME/.local/share}/k8s-extcap
link=$HOME/.local/bin/k8s-extcap

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Sets $python to the first interpreter that is new enough and can make an environment with pip in it. PYTHON names
# another one.
find_python() {
    for python in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        "$python" -I -c 'import sys, ensurepip, ssl, venv; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1 && return 0
    done
    say "No Python 3.11 or newer with its venv module was found. Install it, then run this again:"
    if command -v apt-get >/dev/null 2>&1; then
        say "    sudo apt-get install python3-venv"
    elif command -v dnf >/dev/null 2>&1; then
        say "    sudo dnf install python3"
    else
        say "    python3 with the modules venv and ensurepip; PYTHON=/path/to/python3 names one"
    fi
    exit 1
}

# An environment of its own for each installation: a folder that is in use is never changed.
make_environment() {
    mkdir -p "$data"
    place=$data/venv-$(date +%Y%m%d%H%M%S)-$$
    trap 'rm -rf "$place"' EXIT
    trap 'exit 130' INT TERM HUP
    say "Making a private environment in $place"
    "$python" -I -m venv "$place" || fail "The environment could not be made in $place. Is there space, may you write?"
    # Wheels only: what would have to be compiled is not installed half. The source itself may be a folder all the same.
    "$place/bin/python" -I -m pip install --quiet --disable-pip-version-check \
        --only-binary :all: "$source" || fail "The download did not succeed. Behind a proxy set HTTPS_PROXY, with an index of your own PIP_INDEX_URL, with a
certificate authority of your own PIP_CERT; then run this again. Nothing was changed."
    "$place/bin/k8s-extcap" --version >/dev/null || fail "k8s-extcap does not start from $place. Nothing was changed."
}

link_command() {
    mkdir -p "$HOME/.local/bin"
    if [ -e "$link" ] && [ ! -L "$link" ]; then
        say "$link is there and is no link of ours: left as it is. The command is $place/bin/k8s-extcap"
        return
    fi
    ln -sfn "$place/bin/k8s-extcap" "$link"
    case :$PATH: in
        *":$HOME/.local/bin:"*) ;;
        *) say "$HOME/.local/bin is not in your PATH. The command is $link" ;;
    esac
}

# What earlier runs made, and only that.
remove_others() {
    for old in "$data"/venv-*; do
        if [ -d "$old" ] && [ "$old" != "${place:-}" ]; then rm -rf "$old"; fi
    done
}

uninstall() {
    if [ -x "$link" ]; then "$link" uninstall || say "The launchers could not be removed."; fi
    place=
    remove_others
    if [ -L "$link" ] && [ ! -e "$link" ]; then rm -f "$link"; fi
    rmdir "$data" 2>/dev/null || :
    say "k8s-extcap is removed. What it remembers stays in ${XDG_STATE_HOME:-$HOME/.local/state}/k8s-extcap."
}

# All in one function, called on the last line: a download that was cut does nothing.
main() {
    source=k8s-extcap launcher=yes
    while [ $# -gt 0 ]; do
        case $1 in
            --source) [ $# -gt 1 ] || fail "--source needs a wheel or a folder."; source=$2; shift ;;
            --no-launcher) launcher=no ;;
            --uninstall) uninstall; exit 0 ;;
            *) fail "Unknown: $1. Known: --source WHEEL-OR-FOLDER, --no-launcher, --uninstall." ;;
        esac
        shift
    done
    find_python
    make_environment
    if [ "$launcher" = yes ]; then "$place/bin/k8s-extcap" install || exit 1; fi
    trap - EXIT
    link_command
    remove_others
}

main "$@"
