"""The way to replicas: connections, their pool, TLS and proxies."""
