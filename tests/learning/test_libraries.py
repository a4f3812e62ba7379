"""A child's libraries are imported without what only Apple's GPUs need."""

import subprocess
import sys

import pytest

CODE = """
import gc, sys
from nightschool.learning import libraries
libraries.load()
import torch
assert gc.isenabled()
assert torch.compile.__module__ == "torch", torch.compile
assert {"transformers", "peft", "bitsandbytes"} <= set(sys.modules)
print("torch._inductor.compile_fx" in sys.modules)
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="there the compiler may be wanted")
def test_libraries_are_there_and_the_compiler_is_not() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "False"
