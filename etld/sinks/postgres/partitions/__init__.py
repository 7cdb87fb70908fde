"""The partitions of processed_events: how it becomes partitioned, and how leaves are made ahead."""
