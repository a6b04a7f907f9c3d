"""One file for each benchmark; each has `run(options, result)` and can be run alone."""
