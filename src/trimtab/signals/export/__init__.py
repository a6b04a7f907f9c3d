"""The signals for other eyes: rules of Prometheus and dashboards of Grafana, from the same definitions."""
