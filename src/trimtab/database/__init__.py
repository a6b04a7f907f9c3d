"""Connections and migrations of SQLite."""
