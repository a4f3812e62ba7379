"""The packed engine: one sequence per step, fused kernels and CUDA graphs."""
