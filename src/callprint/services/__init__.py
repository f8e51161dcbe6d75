"""A real cluster on one machine: Kafka, ZooKeeper, Storm and Cassandra from jars that Maven resolves.

`python -m callprint.services up | down | status | logs`. For development, tests and demonstrations: the very
services that an operator runs, with small heaps and no container engine.
"""
