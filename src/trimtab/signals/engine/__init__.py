"""What model servers and GPU exporters say of themselves, and how that differs from what calls saw."""
