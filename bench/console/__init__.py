"""Calls made by formula inside the store, and the questions that the console asks of them."""
