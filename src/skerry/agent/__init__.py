"""The worker's side of a run: the loop's activities, tools, prompts and the API client. Imports base only."""
