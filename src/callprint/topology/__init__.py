"""What the spouts and bolts of the topology are made of, without Storm: settings, reading topics, models, sites."""
