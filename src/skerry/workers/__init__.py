"""Workers: the processes that serve worker queues."""
