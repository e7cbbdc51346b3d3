"""Container images of the test bed, made of this machine's own files, without a registry or a daemon."""
