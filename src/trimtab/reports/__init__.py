"""Tables and figures for the terminal and JSON."""
