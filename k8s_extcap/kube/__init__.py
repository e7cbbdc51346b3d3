"""The API server: connection, six verbs, exec, reviews."""

from k8s_extcap.kube import lean

lean.prepare()  # before any module of this room imports the library
