"""What keeps a distributed run whole: shipping, assembly, order, low-water marks, the state of a site."""
