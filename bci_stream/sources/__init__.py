"""Edges that yield events: LSL, XDF, the simulator."""
