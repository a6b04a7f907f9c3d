"""Measurements of single layers, for whoever works on one; nothing here has a limit to keep."""
