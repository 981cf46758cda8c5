"""Events of executions, as streams tell them: PostgreSQL is the truth, Redis only the bell."""
