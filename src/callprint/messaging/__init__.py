"""Kafka as callprint uses it: connection settings, topics. The only modules that import the Kafka client."""
