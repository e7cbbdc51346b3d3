"""This machine: files, pipes, the FIFO, the log."""
