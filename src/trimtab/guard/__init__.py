"""What holds: pure decisions on deadlines, retries, breakers and admission; no I/O, no clock of its own."""
