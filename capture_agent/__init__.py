"""The capture agent reads packets and ships flow heads and statistics to Kafka (docs/operate/cluster.md)."""
