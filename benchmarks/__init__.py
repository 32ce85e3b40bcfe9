"""Speed and memory, measured in the loop at the hop rate and beside what else a user could write.

``python -m benchmarks`` runs all; ``python -m benchmarks latency|stages|replay|xdf|startup`` one of them.
"""
