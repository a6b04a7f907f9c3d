"""What marks an answer, one file for each kind of scorer."""
