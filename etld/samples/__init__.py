"""Sample events: made from a seed, sent over HTTP until they are acknowledged, and summed up."""
