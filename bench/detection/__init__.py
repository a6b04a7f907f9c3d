"""Streams with planted regressions, the peers that watch them, and how false alarms and delays are counted."""
