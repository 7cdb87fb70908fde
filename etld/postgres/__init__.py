"""PostgreSQL: the only package that imports psycopg. SQL lives in .sql files as named blocks."""
