"""All that the host program shapes: sentences, options, argv, control packets."""
