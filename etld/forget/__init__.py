"""`etld forget`: a subject's events and dead letters leave every table, and are left out when they come again."""
