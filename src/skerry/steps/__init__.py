"""Steps of executions as a worker reports them: turns of the model and calls of tools, each counted once."""
