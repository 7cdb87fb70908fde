"""What puts SQL together from parts, for statements whose tables and columns come from the configuration.

`SQL` takes text that stands in the source, never a value; a name goes in as `Identifier`, a value as `Literal` or as a
parameter of the statement. https://www.psycopg.org/psycopg3/docs/api/sql.html
"""

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal
from psycopg.types.json import Jsonb

__all__ = ["SQL", "Composable", "Composed", "Identifier", "Jsonb", "Literal"]
