"""Simulations of evaluations in which the truth is known."""
