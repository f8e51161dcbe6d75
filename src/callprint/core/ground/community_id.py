"""Community ID, version 1: the flow identifier that Zeek, Suricata, Arkime and Wireshark share.

It lets an analyst jump from a verdict to the same flow in another monitor. Both directions of a flow have
the same Community ID, so it names a conversation, not a flow as this project understands it.

Source: the Community ID specification by Corelight, https://github.com/corelight/community-id-spec, with
the default seed 0.
"""

import base64
import hashlib
import ipaddress

from callprint.core.ground.addresses import in_order

UDP = 17  # IP protocol number


def community_id(src_ip: str, src_port: int, dst_ip: str, dst_port: int, protocol: int = UDP) -> str:
    """Return the Community ID of a flow with ports, such as `1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg=`.

    Raises ValueError when an address does not parse, the two are of different IP versions, or a port or the
    protocol number does not fit its field.
    """
    source = ipaddress.ip_address(src_ip)
    destination = ipaddress.ip_address(dst_ip)
    if source.version != destination.version:
        raise ValueError(f"{src_ip} and {dst_ip} are of different IP versions")
    if not (0 <= src_port <= 0xFFFF and 0 <= dst_port <= 0xFFFF and 0 <= protocol <= 0xFF):
        raise ValueError(f"ports {src_port} and {dst_port} or protocol {protocol} out of range")
    # Packed addresses of one version compare as the numbers do.
    (low_ip, low_port), (high_ip, high_port) = in_order(
        (source.packed, src_port), (destination.packed, dst_port)
    )
    seed = bytes(2)
    ports = low_port.to_bytes(2, "big") + high_port.to_bytes(2, "big")
    digest = hashlib.sha1(
        seed + low_ip + high_ip + bytes((protocol, 0)) + ports, usedforsecurity=False
    ).digest()
    return "1:" + base64.b64encode(digest).decode("ascii")
