"""TCP streams as tests of what is in them like them: without times, keys and captures."""

from callprint.core.signalling.tcp import TcpReassembler


class Payloads(TcpReassembler):
    """A reassembler that gives the bytes of messages alone."""

    def segment(self, *args):
        return [message.payload for message in super().segment(*args)]
