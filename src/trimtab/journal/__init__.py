"""What is kept durably of calls and runs beyond their records: dead letters."""
