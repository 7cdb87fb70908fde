"""Superset in compose: its own tables in the same PostgreSQL, passwords from secrets."""

import hashlib
import pathlib
import urllib.parse

_SECRETS = pathlib.Path("/run/secrets")
_POSTGRES = _SECRETS.joinpath("postgres-password").read_text().strip()
_OWN = _SECRETS.joinpath("superset-password").read_text().strip()

SQLALCHEMY_DATABASE_URI = f"postgresql+psycopg2://etld:{urllib.parse.quote(_POSTGRES, safe='')}@postgres:5432/superset"
SECRET_KEY = hashlib.sha256(f"key of {_OWN}".encode()).hexdigest()
FEATURE_FLAGS = {"CHART_PLUGINS_EXPERIMENTAL": True}
RATELIMIT_STORAGE_URI = "memory://"
