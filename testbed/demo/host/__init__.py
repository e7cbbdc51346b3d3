"""The demo cluster's node: one process that owns every namespace, container and exec'd command."""
