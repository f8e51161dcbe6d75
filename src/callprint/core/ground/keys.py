"""Keys that are the same in every process."""

from hashlib import blake2b


def stable_key(*parts: str) -> int:
    """Return a 64-bit key of the parts, the same in every process; never 0, which means "not known".

    A campaign key is `stable_key(user_agent, sdp_shape, header_order, source_network)`.
    """
    digest = blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
