"""The capture agent: packets in, the head of every flow and its statistics out to Kafka (docs/operate/cluster.md)."""
