"""Worker queues: where executions wait for a worker."""
