"""Data sets with planted near duplicates: rows of many families, and edits that leave a row the same case."""
