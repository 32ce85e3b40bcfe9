"""A person's own session: guided trials, a model that fits them, and an honest report of whether it does."""
