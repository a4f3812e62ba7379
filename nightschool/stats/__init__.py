"""Statistics of test results, and the types that hold them."""
