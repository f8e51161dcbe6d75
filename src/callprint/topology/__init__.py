"""What the spouts and bolts of the Storm topology are made of, without Storm: settings, streams, models."""
