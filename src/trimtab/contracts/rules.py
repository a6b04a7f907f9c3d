"""The version of the rules by which schemas are classified."""

from typing import Final

VERSION: Final = 1
"""Raised whenever any schema gets another class or other findings: locks hold what was found under it."""
