"""Kafka as callprint uses it: how to reach it, which topics there are, how feedback is sent."""
