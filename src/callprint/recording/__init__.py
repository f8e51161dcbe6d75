"""Labelled captures of this machine's own calls: which program owns the socket that sends a flow."""
