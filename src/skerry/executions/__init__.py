"""Executions: an agent asked to do something, and what came of it."""
