"""The order of things: stages, executor, stream, clean-up."""
