"""A real cluster on one machine: Kafka, ZooKeeper, Storm and Cassandra from jars that Maven resolves.

`python -m callprint.services up | down | status`. For development, tests and demonstrations: the same services that an
operator runs, with small heaps and without a container engine.
"""
