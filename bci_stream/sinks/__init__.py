"""Edges that take predictions: LSL, JSON lines, the terminal."""
