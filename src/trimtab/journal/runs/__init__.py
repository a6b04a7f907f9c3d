"""The journal of runs in SQLite and PostgreSQL: one writer, one commit for all asks that wait together."""
