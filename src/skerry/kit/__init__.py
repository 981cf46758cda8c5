"""Domain-free parts that need libraries: settings, transactions, ids, logging, HTTP manners."""
