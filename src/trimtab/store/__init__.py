"""Telemetry: one contract of named operations, with ClickHouse and memory behind it."""
