"""The packed engine: packs of notes, fused kernels and CUDA graphs."""
