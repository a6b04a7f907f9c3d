"""Context strategies: which of a call's messages the model gets when they are more than its task's context holds."""
