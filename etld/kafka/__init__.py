"""Kafka: the only package that imports confluent_kafka, and only in those of its modules that speak to a broker.

`types` are etld's own, `ports` what a cluster is asked, `memory` a cluster without a broker.
"""
