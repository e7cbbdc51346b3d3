"""A real Kubernetes of two nodes on one bare Linux machine."""
