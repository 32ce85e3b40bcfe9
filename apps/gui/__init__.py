"""The window: draws frozen frames of the engine. Qt comes through ``pyqtgraph.Qt`` only, and only here."""
