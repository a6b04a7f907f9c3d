"""Trimtab: runs LLM applications and agents reliably, cheaply and observably in production."""

__version__ = "0.1.0"

__all__ = ["__version__"]
