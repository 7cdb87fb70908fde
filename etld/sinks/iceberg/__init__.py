"""The lake as a sink: a table of Apache Iceberg for each event type, whose snapshots carry the positions.

https://iceberg.apache.org/spec/
"""
