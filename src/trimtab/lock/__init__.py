"""What is pinned: the lock file, how a declaration is resolved into it, and what differs between two of them."""
