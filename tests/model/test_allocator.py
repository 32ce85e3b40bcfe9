"""The allocator's setting is taken and does what it is for: a block that comes again costs no page faults."""

import subprocess
import sys

import pytest

_FAULTS_OF_A_BLOCK = """
import resource, sys
import numpy as np
from bci_stream.model.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        blocks = [np.empty(600 << 10, np.uint8) for _ in range(20)]
        for block in blocks:
            block.fill(1)
        del blocks, block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own setting")
def test_a_block_that_comes_again_costs_no_page_faults():
    def faults(how: str) -> int:
        run = subprocess.run(
            [sys.executable, "-c", _FAULTS_OF_A_BLOCK, how], capture_output=True, text=True, check=True
        )
        return int(run.stdout)

    assert faults("kept") * 10 < faults("as ever")
