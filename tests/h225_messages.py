"""Writes H.323 call signalling: TPKT, Q.931 and H.225.0 in aligned PER, as far as the vendor and a little beyond."""

from dataclasses import dataclass, field

SETUP, CALL_PROCEEDING, CONNECT, ALERTING = range(4)
_Q931_TYPES = {SETUP: 0x05, CALL_PROCEEDING: 0x02, CONNECT: 0x07, ALERTING: 0x01}
_PROTOCOL = bytes.fromhex("060008914a0004")  # length and object identifier of version 4


class _Bits:
    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, count: int) -> None:
        self.text += f"{value:0{count}b}"

    def octets(self, data: bytes) -> None:
        """Whole octets, which begin at one."""
        self.text += "0" * (-len(self.text) % 8) + "".join(f"{byte:08b}" for byte in data)

    def bytes(self) -> bytes:
        whole = self.text + "0" * (-len(self.text) % 8)
        return int(whole, 2).to_bytes(len(whole) // 8, "big")


@dataclass(frozen=True)
class Vendor:
    """A VendorIdentifier."""

    number: tuple[int, int, int] = (9, 0, 61)
    product: bytes | None = None
    version: bytes | None = None

    def texts(self) -> bytes:
        return b"".join(bytes([len(text) - 1]) + text for text in (self.product, self.version) if text)

    def fixed(self) -> bytes:
        return bytes(self.number[:2]) + self.number[2].to_bytes(2, "big")

    def flags(self) -> int:
        return (self.product is not None) << 1 | (self.version is not None)


@dataclass(frozen=True)
class Message:
    """What stands before and around the vendor."""

    body: int = SETUP
    vendor: Vendor | None = field(default_factory=Vendor)
    digits: tuple[str, ...] = ()  # aliases of the caller, of Setup
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    address: bytes | None = None  # of H.245: four or sixteen bytes
    non_standard: tuple[bytes, bytes] | None = None  # object identifier, or four bytes of H.221; data
    display: bytes = b""
    tpkt: bool = True

    def encode(self) -> bytes:
        """Return the bytes of a TCP segment."""
        user_user = b"\x05" + self._per()
        elements = (b"\x28" + bytes([len(self.display)]) + self.display) if self.display else b""
        elements = b"\x04\x03\x88\x93\xa5" + elements + b"\xa1"
        q931 = bytes([8, 2, 0x12, 0x34, _Q931_TYPES[self.body]]) + elements
        q931 += b"\x7e" + len(user_user).to_bytes(2, "big") + user_user
        return (b"\x03\0" + (len(q931) + 4).to_bytes(2, "big") if self.tpkt else b"") + q931

    def _per(self) -> bytes:
        out = _Bits()
        out.put(0, 5)
        out.put(self.body, 3)
        out.put(0, 1)
        if self.body == SETUP:
            aliases = bool(self.digits or self.names or self.urls)
            out.put((self.address is not None) << 6 | aliases << 5, 7)
            out.octets(_PROTOCOL)
            self._put_address(out)
            if aliases:
                self._put_aliases(out)
        else:
            with_address = self.body == CONNECT and self.address is not None
            out.put(with_address, 1)
            out.octets(_PROTOCOL)
            if with_address:
                self._put_address(out)
        self._put_endpoint(out)
        if self.body == SETUP:
            out.put(0, 1)  # activeMC
            out.octets(bytes(range(16)))  # conferenceID
            out.put(0, 3)  # conferenceGoal: create
            out.put(0, 3)  # callType: pointToPoint
        elif self.body == CONNECT:
            out.octets(bytes(range(16)))
        return out.bytes()

    def _put_address(self, out: _Bits) -> None:
        if self.address is None:
            return
        out.put(0 if len(self.address) == 4 else 0b00110, 4 if len(self.address) == 4 else 5)
        out.octets(self.address + b"\x04\xd0")

    def _put_aliases(self, out: _Bits) -> None:
        out.octets(bytes([len(self.digits) + len(self.names) + len(self.urls)]))
        for digits in self.digits:
            out.put(0, 2)
            out.put(len(digits) - 1, 7)
            out.octets(b"")
            for digit in digits:
                out.put("#*,0123456789".index(digit), 4)
        for name in self.names:
            out.put(1, 2)
            out.octets(bytes([len(name) - 1]) + name.encode("utf-16-be"))
        for url in self.urls:
            out.put(0b10000000, 8)  # behind the extension mark: the first one there
            body = (len(url) - 1).to_bytes(2, "big") + url.encode()
            length = (
                len(body).to_bytes(1, "big") if len(body) < 128 else (0x8000 | len(body)).to_bytes(2, "big")
            )
            out.octets(length + body)

    def _put_endpoint(self, out: _Bits) -> None:
        out.put(0, 1)
        out.put((self.non_standard is not None) << 5 | (self.vendor is not None) << 4 | 1, 6)
        if self.non_standard is not None:
            identifier, data = self.non_standard
            if len(identifier) == 4:
                out.put(0b010, 3)
                out.octets(identifier)
            else:
                out.put(0, 2)
                out.octets(bytes([len(identifier)]) + identifier)
            out.octets(bytes([len(data)]) + data)
        if self.vendor is not None:
            out.put(0, 1)
            out.put(self.vendor.flags(), 2)
            out.put(0, 1)
            out.octets(self.vendor.fixed() + self.vendor.texts())
        out.put(0, 2)  # of the terminal: its extension mark, no nonStandardData
        out.put(0, 2)  # mc, undefinedNode
