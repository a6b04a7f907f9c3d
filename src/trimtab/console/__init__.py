"""The web pages: what a person sees."""
