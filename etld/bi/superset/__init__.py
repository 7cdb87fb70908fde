"""Apache Superset: its bundles of assets, its REST interface, and a Superset of one's own beside the daemon."""
