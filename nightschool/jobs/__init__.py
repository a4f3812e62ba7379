"""When things happen: the policy, the ticker, and the worker that holds them."""
