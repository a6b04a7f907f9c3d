"""Data sets: where they come from, what is wrong with them, what they share with others, and cases drawn from calls."""
