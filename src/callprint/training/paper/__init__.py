"""The identification paper's networks: windows, architectures, training, heads, and the models made from them."""
