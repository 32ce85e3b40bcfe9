"""What is promised of reliability, measured: one module a row, each a command of its own.

``python -m benchmarks.reliability.drift`` prints one line ``row: figure (goal)`` and exits 1 when it falls
short; ``--short`` runs the version of the test suite. ``python -m benchmarks.reliability`` runs them all.
"""
