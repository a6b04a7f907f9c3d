"""Parts of the journal benchmark: what a crash of the machine leaves, and what appends cost beside DBOS."""
