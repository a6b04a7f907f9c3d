"""How it runs: the supervisor, the gateway workers and control as operating-system processes."""
