"""What it costs: usage in disjoint classes, dated prices, exact money."""
