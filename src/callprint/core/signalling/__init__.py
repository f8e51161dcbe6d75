"""Signalling: SIP and SDP text, TCP streams that carry it, identities in it. Bytes in, values out."""
