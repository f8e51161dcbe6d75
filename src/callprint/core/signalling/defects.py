"""What can be wrong with signalling text: one list, so that rejected messages can be counted by defect."""

from enum import StrEnum

from callprint.core.ground.errors import DecodeError


class SipDefect(StrEnum):
    """Why a SIP message, or a body in it, does not parse. The values are the names of counters."""

    NOT_SIP = "not_sip"  # the first line is neither a request nor a response
    START_LINE = "start_line"  # it looks like one, but its grammar is broken
    VERSION = "version"  # SIP, but not 2.0
    STATUS = "status"  # a status code outside 100-699
    NO_HEADER_END = "no_header_end"  # the text stops inside a header line
    TOO_LONG = "too_long"  # more bytes, lines or values than the limits allow
    MISSING_HEADER = "missing_header"  # Call-ID, From, To or CSeq is not there
    REPEATED_HEADER = "repeated_header"  # one of them is there twice, with different values: the first counts
    CALL_ID = "call_id"  # empty, or several words
    CSEQ = "cseq"  # no number below 2**32, no method, or not the method of the request
    ADDRESS = "address"  # a From, To or identity header that holds no address
    DISPLAY_NAME = "display_name"  # its quote never closes, but an intact address follows: passed over
    CONTENT_LENGTH = "content_length"  # no number, or more than the datagram holds, which then ends the body
    MULTIPART = "multipart"  # no boundary is named, it never comes, or bodies nest too deep
    SDP_LINE = "sdp_line"  # a line of SDP that is not `x=value`
    SDP_CONNECTION = "sdp_connection"  # a broken c= line
    SDP_MEDIA = "sdp_media"  # a broken m= line
    SDP_ATTRIBUTE = "sdp_attribute"  # a broken a=rtcp, a=rtpmap or a=ssrc line
    SDP_ENDPOINTS = (
        "sdp_endpoints"  # more candidates than are kept, or endpoints of one party: the oldest went
    )


class SipError(DecodeError):
    """A message does not parse: `defect` names what is wrong, `offset` the byte at which."""

    def __init__(self, defect: SipDefect, offset: int, text: str) -> None:
        super().__init__(f"{text} (at byte {offset})")
        self.defect = defect
        self.offset = offset
        self.text = text

    def moved(self, offset: int) -> "SipError":
        """Return the same error at `offset` of the message, for a defect in a value that was cut out of it."""
        return SipError(self.defect, offset, self.text)
