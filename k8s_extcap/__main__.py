"""What the launcher runs. Python compiles the script it is given anew at each start, so there is nothing in it."""

import sys

if __name__ == "__main__":
    sys.path.insert(0, __file__.rpartition("k8s_extcap")[0][:-1])
    from k8s_extcap.entry import main

    sys.exit(main(sys.argv[1:]))
