"""An evaluation's report for people and for their machines."""
