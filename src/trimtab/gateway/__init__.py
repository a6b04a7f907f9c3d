"""The model gateway: the path of a call from the client's socket to the replica's and back."""
