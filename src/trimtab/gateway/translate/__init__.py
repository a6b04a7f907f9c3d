"""Carries requests and answers between wire formats; what cannot be carried is refused by name."""
