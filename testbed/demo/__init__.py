"""A loopback API server whose pods are real processes in network namespaces."""
