"""The composition root: the only place that makes the parts and joins them, one file for each process."""
