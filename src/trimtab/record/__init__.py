"""What happened: events of calls, the bodies they refer to, and the spool both are first written to."""
