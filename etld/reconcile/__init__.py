"""Accounting: does every record that Kafka holds have its row, its dead letter or its reason?"""
