"""All tables, as SQLAlchemy Core; `migrations/` beside it makes them. No ORM: repository.py states its SQL over them.

Who writes what: base, organizations, users, keys, agents, queues, outbox are made by migration 0001; executions,
files, workers and events by 0002, system_workers by 0004.
"""
