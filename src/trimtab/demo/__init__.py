"""The embedded tiny engine on its own small server, and the demo project that stands in front of it."""
