"""The tables of the TOML file as frozen models: a class is called after its table, and ends in Section."""
