"""The bed that brings real Kubernetes, real Wiresharks and a demo cluster to a bare machine. Never shipped."""
