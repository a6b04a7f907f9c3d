"""Is it well: signals derived from records, and the alerts on them."""
