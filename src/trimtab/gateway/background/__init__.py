"""Calls that a client submits and comes back for: taken in, made when there is room, kept until they are polled.

A submission goes the path of a call until it would be let in, and then into the journal; its client is answered when it
is on the disk. A worker of any gateway takes it from there, and sends it down the whole path as a step of the run that
it is. Polls are answered out of the journal.
"""
