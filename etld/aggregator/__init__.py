"""The aggregator: events summed up into one typed table a summary, and the charts drawn from them."""
