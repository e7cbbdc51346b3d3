"""The binaries that are uploaded into pods, with their manifest."""
