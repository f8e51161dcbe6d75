"""Well-formed signalling for several tests to read, cut and damage."""

INVITE = (
    b"INVITE sip:bob@biloxi.example SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bK776asdhds\r\n"
    b"Max-Forwards: 70\r\n"
    b'To: "Bob" <sip:bob@biloxi.example>\r\n'
    b"From: Alice <sip:alice@atlanta.example>;tag=1928301774\r\n"
    b"Call-ID: a84b4c76e66710@pc33.atlanta.example\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 3\r\n"
    b"\r\n"
    b"v=0"
)

MULTIPART = (
    b"--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    b"--b1\r\nContent-Type: application/sdp\r\nContent-Disposition: session\r\n\r\nv=0\r\ns=x\r\n"
    b"--b1--\r\nepilogue"
)

TWO_MEDIA = b"""v=0\r
o=jdoe 2890844526 2890842807 IN IP4 10.47.16.5\r
s=SDP Seminar\r
c=IN IP4 224.2.17.12/127\r
t=0 0\r
a=recvonly\r
m=audio 49170 RTP/AVP 0 101\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:101 telephone-event/8000\r
a=sendrecv\r
m=video 51372/2 RTP/SAVPF 99\r
c=IN IP6 2001:DB8::0001\r
a=rtcp:51380 IN IP6 2001:db8::2\r
a=rtpmap:99 h263-1998/90000\r
"""
