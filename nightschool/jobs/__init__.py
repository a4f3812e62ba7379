"""When things happen: the policy, the scheduler, and the worker that holds them."""
