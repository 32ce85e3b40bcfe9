"""Training on simulated data; the corpus work builds on it."""
