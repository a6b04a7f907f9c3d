"""The web pages and the table of every route that control serves."""
