"""What we ask: a project's declaration, read into frozen structs with every mistake named at once."""
