"""Alerts: what is watched, when it raises an alert, and the life of one."""
