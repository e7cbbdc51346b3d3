"""What the launcher runs. Python compiles the script it is given anew at each start, so there is little in it."""

import sys

if __name__ == "__main__":
    package = __file__.rpartition("k8s_extcap")[0] + "k8s_extcap"
    sys.path.insert(0, package[: -len("/k8s_extcap")])
    try:
        open(f"{package}/__pycache__/entry.{sys.implementation.cache_tag}.pyc").close()  # noqa: PTH123 (no pathlib here)
    except OSError:
        from k8s_extcap.edge import compiled

        compiled.choose(package)
    from k8s_extcap.entry import main

    sys.exit(main(sys.argv[1:]))
