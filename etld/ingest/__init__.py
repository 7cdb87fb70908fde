"""The role that takes events over HTTP and answers once Kafka has them."""
