"""Suites of other tools as suites of ours, with a list of what could not be taken over."""
