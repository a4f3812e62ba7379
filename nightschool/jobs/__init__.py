"""When things happen: the policy, the scheduler, the worker, retraining and the morning."""
