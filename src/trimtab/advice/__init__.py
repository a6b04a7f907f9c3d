"""Proposals, made of what was seen: nothing is changed before a person takes one up."""
