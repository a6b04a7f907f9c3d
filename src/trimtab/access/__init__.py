"""Who may: client keys, kept as digests."""
