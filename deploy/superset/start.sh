# Make Superset's database, tables and administrator where they are not there, and run it.
set -eu
password=$(cat /run/secrets/superset-password)
PGPASSWORD=$(cat /run/secrets/postgres-password) python - <<'PYTHON'
import psycopg2

connection = psycopg2.connect("host=postgres user=etld dbname=etld")
connection.autocommit = True
with connection.cursor() as cursor:
    cursor.execute("SELECT FROM pg_database WHERE datname = 'superset'")
    if cursor.fetchone() is None:
        cursor.execute("CREATE DATABASE superset")
PYTHON
superset db upgrade
superset fab create-admin --username admin --firstname etld --lastname admin --email admin@localhost \
  --password "$password" || superset fab reset-password --username admin --password "$password"
superset init
exec gunicorn --bind 0.0.0.0:8088 --workers 1 --worker-class gthread --threads 8 --timeout 120 "superset.app:create_app()"
