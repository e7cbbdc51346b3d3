"""One file per command of k8s-extcap."""
