#!/bin/sh
# install.sh PYTHON VENV FILE: a virtual environment with the packages that FILE pins, and etld of this directory.
# uv does it; where there is none it comes into the environment first. The broker's jars are fetched meanwhile.
set -eu
python=$1 venv=$2 file=$3
here=$venv/bin/python
[ -x "$here" ] || here=$python

"$here" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "etld needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2
  exit 1
}
jars=$(PYTHONPATH=. "$here" -m etld.embedded.fetch --wanted)
echo "Installing $(grep -c == "$file") packages${jars:+, and $jars,} into $venv"
PYTHONPATH=. "$here" -m etld.embedded.fetch &
fetching=$!
trap 'kill $fetching 2>/dev/null || :' EXIT

uv=$(command -v uv || echo "$venv/bin/uv")
if ! [ -x "$venv/bin/python" ] || ! { [ -x "$uv" ] || "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
  if [ -x "$uv" ]; then
    "$uv" venv --quiet --clear --python "$python" "$venv"
  else
    "$python" -m venv --clear "$venv" || {
      rm -rf "$venv"
      echo "$python cannot make a virtual environment: install its venv package (Debian, Ubuntu: python3-venv)" >&2
      exit 1
    }
  fi
fi
[ -x "$uv" ] || "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --retries 5 --no-deps \
  --require-hashes -r deploy/uv.txt
export VIRTUAL_ENV="$venv"
"$uv" pip install --quiet --no-deps --require-hashes -r "$file"
"$uv" pip install --quiet --no-deps --no-build-isolation --editable .
# What the daemon loads is compiled once, and not by each of its processes at the first start.
PYTHONDONTWRITEBYTECODE='' "$venv/bin/python" -c '
from etld.supervisor import daemonize, kinds
for kind in kinds.KINDS.values():
    kinds.load_object(kind.entry)
'
wait $fetching || :  # what it could not fetch is tried again, and told, when the broker is started
trap - EXIT
