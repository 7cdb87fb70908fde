"""`make cluster`: many hosts, three brokers, two databases, and the network between them."""
