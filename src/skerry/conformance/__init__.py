"""What an endpoint of the chat completions API must do before its model is given to agents: cases, runner, report."""
