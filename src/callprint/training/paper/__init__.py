"""The identification paper: its windows, networks, training procedure, heads, tables and figures, on our data."""
