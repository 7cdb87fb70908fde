"""`python -m etld`."""

from etld.cli import main

main()
