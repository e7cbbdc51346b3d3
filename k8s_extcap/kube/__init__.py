"""The API server: connection, six verbs, exec, reviews."""
