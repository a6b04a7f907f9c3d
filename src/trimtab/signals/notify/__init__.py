"""Telling people of alerts: what is said, and in whose form."""
