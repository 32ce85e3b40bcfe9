"""Causal signal processing with carried state: any chunking gives the same bits."""
