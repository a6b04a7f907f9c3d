"""What is valid: schemas and what engines make of them, answers and tool calls held against them."""
