"""The list of identification features, in the order in which a network reads them.

The row that compiled code fills (feature_row.py), the names that drift and reports use, and docs/how/features.md
derive from it. `FEATURE_VERSION` stands for the order and the meaning of every column: a network made for another
version is refused.
"""

from typing import NamedTuple

FEATURE_VERSION = 2

# Cipher suites (IANA): TLS 1.3, then ECDHE with AES-GCM and ChaCha20, then CBC, then RSA, DHE and others in use.
SUITES = (
    *(0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xCCAA),
    *(0xC009, 0xC013, 0xC00A, 0xC014, 0xC023, 0xC027, 0x009C, 0x002F, 0x0035, 0x009E, 0x0033, 0xC0AC, 0x00FF),
)
# Extensions (IANA): server_name, groups, point formats, signatures, use_srtp, ALPN, encrypt_then_mac,
# extended_master_secret, delegated_credential, session_ticket, supported_versions, psk modes, key_share,
# record_size_limit, renegotiation_info.
EXTENSIONS = (0, 10, 11, 13, 14, 16, 22, 23, 34, 35, 43, 45, 51, 28, 65281)

COLUMNS: dict[str, tuple[str, ...]] = {
    "increment_ratios": ("first_increment_ratio", "second_increment_ratio", "third_increment_ratio"),
    "lead_bits": tuple(f"lead_bit_{bit}" for bit in range(7, -1, -1)),
    "dtls_suite": tuple(f"dtls_suite_{code:04x}" for code in SUITES),
    "dtls_client_extension_at": tuple(f"dtls_client_extension_{code}_at" for code in EXTENSIONS),
    "dtls_server_extension_at": tuple(f"dtls_server_extension_{code}_at" for code in EXTENSIONS),
}
"""The columns of fields that have several; any other field is one column of its own name."""

TABLES: dict[str, str] = {
    "start": """
first_marker                 | 0 or 1                   | marker bit of the first packet
second_marker                | 0 or 1                   | marker bit of the second packet
first_sequence_small         | 0 or 1                   | first sequence number below 16: counted from 0 or 1
first_sequence_below_4096    | 0 or 1                   | first sequence number below 4096
first_sequence_high_bit      | 0 or 1                   | first sequence number of 2^15 or more
first_timestamp_zero         | 0 or 1                   | first timestamp is 0
first_timestamp_below_65536  | 0 or 1                   | first timestamp below 65536
first_timestamp_high_bit     | 0 or 1                   | first timestamp of 2^31 or more
first_timestamp_log2         | log2(1 + timestamp) / 32 | size of the first timestamp
first_timestamp_is_increment | 0 or 1                   | first timestamp is one usual step: the clock advanced first
ssrc_below_65536             | 0 or 1                   | SSRC below 65536
ssrc_low_half_zero           | 0 or 1                   | low 16 bits of the SSRC are 0
ssrc_high_bit                | 0 or 1                   | SSRC of 2^31 or more
increment_ratios             | signed ln(1 + steps)     | excess of the first timestamp steps, in usual steps
timestamp_follows_sequence   | 0 or 1                   | first timestamp is usual step times sequence: both began at 0
""",
    "header": """
marker_fraction    | 0 to 1 | packets with the marker bit
marker_after_first | 0 to 1 | packets after the first with the marker bit
marker_with_jump   | 0 to 1 | later markers with a timestamp jump: talk spurts
padding_fraction   | 0 to 1 | packets with the padding bit
csrc_fraction      | 0 to 1 | packets with contributing sources
extension_fraction | 0 to 1 | packets with the extension bit
header_changes     | 0 to 1 | packets whose first byte differs from that of the packet before
payload_types      | count  | distinct payload types
""",
    "type": """
type_pcmu          | 0 or 1     | usual payload type is 0, PCMU
type_pcma          | 0 or 1     | usual payload type is 8, PCMA
type_gsm           | 0 or 1     | usual payload type is 3, GSM
type_g722          | 0 or 1     | usual payload type is 9, G.722
type_g729          | 0 or 1     | usual payload type is 18, G.729
type_dynamic       | 0 or 1     | usual payload type is 96 or more
type_value         | type / 127 | usual payload type if dynamic, otherwise 0
type_comfort_noise | 0 to 1     | packets of payload type 13 or 19
type_event         | 0 to 1     | packets of dynamic types other than the usual one
""",
    "extension": """
extension_one_byte             | 0 to 1       | header extensions in the one-byte form (RFC 8285 4.2)
extension_two_byte             | 0 to 1       | header extensions in the two-byte form (RFC 8285 4.3)
extension_words_first          | 32-bit words | length of the first header extension
extension_words_mean           | 32-bit words | mean length
extension_words_changes        | 0 to 1       | header extensions that differ in length from the one before
extension_elements_first       | count        | elements in the first header extension
extension_elements_mean        | count        | mean number of elements
extension_padding_bytes        | bytes        | mean padding
extension_gap_padding          | bytes        | mean padding before the last element
extension_send_time            | position     | a 3-byte element that grows
extension_counter              | position     | a 2-byte element that counts packets
extension_identifier           | position     | an element that stays the same
extension_identifier_length    | bytes        | length of that element
extension_level                | position     | a 1-byte element that varies: the audio level (RFC 6464)
extension_level_mean           | level / 127  | mean audio level
extension_level_voice_fraction | 0 to 1       | audio levels with the voice flag
extension_level_floor_fraction | 0 to 1       | audio levels of 127: silence
extension_level_changes        | 0 to 1       | audio levels that differ from the one before
extension_ids_ascending        | 0 to 1       | header extensions with their elements in order of id
extension_send_time_step       | ms           | mean growth of the send time from packet to packet, at most 200
""",
    "timestamps": """
packets_log2                | log2(1 + count) | packets looked at
rate_8000                   | 0 or 1          | nearest usual clock rate is 8 kHz
rate_16000                  | 0 or 1          | nearest usual clock rate is 16 kHz
rate_48000                  | 0 or 1          | nearest usual clock rate is 48 kHz
rate_other                  | 0 or 1          | the measured rate is less than half or more than twice that
rate_error                  | ratio           | measured over nearest usual clock rate, at most 4
packet_duration_ms          | ms              | the usual timestamp step as a time, at most 200
increment_fraction          | 0 to 1          | timestamp steps in sequence that are the usual one
increments_distinct         | log2(1 + count) | distinct timestamp steps in sequence
increment_second_ratio      | ratio           | second most frequent step over the usual one, -1 to 8
increment_second_fraction   | 0 to 1          | timestamp steps in sequence that are the second most frequent one
increment_zero_fraction     | 0 to 1          | timestamp steps in sequence of 0
increment_jump_fraction     | 0 to 1          | steps in sequence above 1.5 usual ones: silence suppressed
increment_jump_log2         | log2(ratio)     | largest step in sequence over the usual one, above 1.5 of it
increment_backward_fraction | 0 to 1          | timestamp steps in sequence below 0
loss_fraction               | 0 to 1          | packets missing from sequence gaps below 100
""",
    "sizes": """
payload_first          | bytes           | first payload
payload_usual          | bytes           | most frequent length
payload_usual_fraction | 0 to 1          | payloads of that length
payload_minimum        | bytes           | shortest payload
payload_maximum        | bytes           | longest payload
payload_mean           | bytes           | mean length
payload_deviation      | bytes           | standard deviation of lengths
payload_distinct       | log2(1 + count) | distinct lengths
payload_step_mean      | bytes           | mean absolute change of length from packet to packet
payload_step_zero      | 0 to 1          | payloads as long as the one before
payload_excess         | bytes           | usual length less the codec's, -64 to 64: an authentication tag
padded_payload_mean    | bytes           | mean length of payloads with the padding bit
rate_kbits             | kbit/s          | rate of payloads, at most 500
payload_multiple_of_4  | 0 to 1          | payloads whose length is a multiple of 4
""",
    "arrival": """
gap_10                 | packet durations         | 10th percentile of gaps between packets in sequence, at most 8
gap_25                 | packet durations         | 25th percentile of these gaps
gap_50                 | packet durations         | 50th percentile of these gaps
gap_75                 | packet durations         | 75th percentile of these gaps
gap_90                 | packet durations         | 90th percentile of these gaps
gap_minimum            | packet durations         | shortest gap
gap_maximum            | ln(1 + packet durations) | longest gap
gap_burst_fraction     | 0 to 1                   | gaps below a tenth of a packet duration
gap_late_fraction      | 0 to 1                   | gaps above 1.5 packet durations
gap_near_fraction      | 0 to 1                   | gaps within 5 % of a packet duration
gap_very_near_fraction | 0 to 1                   | gaps within 1 % of a packet duration
gap_deviation_ms       | ln(1 + ms)               | standard deviation of gap errors: gaps less timestamp steps
gap_error_50_ms        | ln(1 + ms)               | median absolute gap error
gap_correlation_1      | -1 to 1                  | autocorrelation of gap errors at lag 1
gap_correlation_2      | -1 to 1                  | autocorrelation of gap errors at lag 2
gap_correlation_3      | -1 to 1                  | autocorrelation of gap errors at lag 3
burst_longest          | ln(1 + packets)          | longest run of gaps below a tenth of a packet duration
gap_first              | packet durations         | first gap
gap_second             | packet durations         | second gap
residual_deviation_ms  | ln(1 + ms)               | standard deviation of residuals: arrival less timestamp
residual_50_ms         | ln(1 + ms)               | median residual above the smallest
residual_90_ms         | ln(1 + ms)               | 90th percentile of residuals above the smallest
residual_slope         | signed ln(1 + ms/s)      | drift of arrival times against timestamps
gap_whole_ms_fraction  | 0 to 1                   | gaps within 0.1 ms of a whole number of milliseconds
""",
    "payload": """
payload_entropy           | bits            | entropy of payload bytes
payload_top_byte          | 0 to 1          | bytes that are the most frequent one
payload_distinct_bytes    | of 256          | distinct bytes
payload_high_bit          | 0 to 1          | bytes of 128 or more
payload_odd               | 0 to 1          | odd bytes
payload_holes             | of 128          | unused codes between used ones: sound from a coarser scale
payload_pair_roughness    | 0 to 1          | how much counts of even codes differ from the odd ones above
payload_repeat            | 0 to 1          | bytes equal to the byte before
payload_plus_zero         | 0 to 1          | bytes 0xff, positive zero of G.711 µ-law
payload_minus_zero        | 0 to 1          | bytes 0x7f, negative zero of µ-law
payload_near_silence      | 0 to 1          | bytes next to the zeros of µ-law
payload_alaw_plus_zero    | 0 to 1          | bytes 0xd5, smallest positive code of G.711 A-law
payload_alaw_minus_zero   | 0 to 1          | bytes 0x55, smallest negative code of A-law
payload_alaw_near_silence | 0 to 1          | bytes next to the smallest codes of A-law
payload_zero_byte         | 0 to 1          | bytes 0x00
payload_extreme_codes     | 0 to 1          | bytes 0x80, 0x00, 0x2a and 0xaa: the loudest of both laws
first_payload_top_byte    | 0 to 1          | bytes of the first payload that are its most frequent one
first_payload_entropy     | bits            | entropy of the first payload
first_payload_lead        | log2(bytes)     | identical bytes at the start of the first payload
lead_bits                 | 0 or 1          | usual first byte: Opus TOC (RFC 6716 3.1), GSM magic, Speex mode
lead_usual_fraction       | 0 to 1          | payloads with the usual first byte
lead_distinct             | log2(1 + count) | distinct first bytes
lead_high_nibble_fraction | 0 to 1          | payloads with the first four bits of that byte
lead_config_fraction      | 0 to 1          | payloads with its first five bits: the Opus configuration
lead_code_changes         | 0 to 1          | changes of its last two bits: the Opus frame count code
second_usual_fraction     | 0 to 1          | payloads with the usual second byte
second_distinct           | log2(1 + count) | distinct second bytes
second_high_bit           | 0 to 1          | payloads with a second byte of 128 or more
tail_usual_fraction       | 0 to 1          | payloads with the usual last byte
tail_distinct             | log2(1 + count) | distinct last bytes
tail_usual_low_bits       | of 15           | last four bits of the usual last byte
tail_usual_ones           | of 8            | one bits of the usual last byte
tail_zero_fraction        | 0 to 1          | payloads that end in 0x00
""",
    "rtcp": """
rtcp_count                 | log2(1 + count)   | RTCP packets
rtcp_per_second            | log2(1 + 1/s)     | RTCP packets a second
rtcp_first_ms              | signed ln(1 + ms) | first RTCP less first media packet; negative: RTCP came first
rtcp_before_media          | 0 to 1            | RTCP packets before the first media packet
rtcp_gap_mean_ms           | signed ln(1 + ms) | mean gap between RTCP packets
rtcp_gap_deviation         | ratio             | standard deviation of gaps over their mean
rtcp_gap_minimum_ms        | signed ln(1 + ms) | shortest gap
rtcp_first_is_sr           | 0 or 1            | the first packet begins with a sender report
rtcp_first_is_rr           | 0 or 1            | the first packet begins with a receiver report
rtcp_first_is_app          | 0 or 1            | the first packet begins with APP
rtcp_first_is_feedback     | 0 or 1            | the first packet begins with a feedback message (RFC 4585)
rtcp_sr_fraction           | 0 to 1            | packets that begin with a sender report
rtcp_rr_fraction           | 0 to 1            | packets that begin with a receiver report
rtcp_feedback_fraction     | 0 to 1            | packets that begin with a feedback message
rtcp_app_fraction          | 0 to 1            | packets that begin with APP
rtcp_padding_fraction      | 0 to 1            | packets with the padding bit
rtcp_report_blocks         | count             | mean number of report blocks in these reports
rtcp_feedback_format       | format            | mean of feedback messages; 15: transport-wide congestion control
rtcp_foreign_source        | 0 to 1            | packets whose SSRC is not that of the media
rtcp_foreign_rr            | 0 to 1            | receiver reports whose SSRC is not that of the media
rtcp_length_first          | bytes             | first RTCP packet
rtcp_length_sr             | bytes             | mean length of packets that begin with a sender report
rtcp_length_rr             | bytes             | mean length of packets that begin with a receiver report
rtcp_length_feedback       | bytes             | mean length of packets that begin with a feedback message
rtcp_rr_after_sr_ms        | signed ln(1 + ms) | mean time from a sender report to a receiver report
rtcp_sr_interval_ms        | signed ln(1 + ms) | mean time from sender report to sender report
rtcp_sr_interval_deviation | ratio             | standard deviation of these times over their mean
rtcp_rr_interval_ms        | signed ln(1 + ms) | mean time from receiver report to receiver report
rtcp_clear_fraction        | 0 to 1            | packets that are not encrypted
rtcp_index_at_end          | 0 to 1            | SRTCP index in the last four bytes (AEAD, RFC 7714)
rtcp_index_before_tag      | 0 to 1            | SRTCP index before a tag of 10 or 4 bytes
rtcp_index_starts_at_zero  | 0 or 1            | the first SRTCP index found is 0
rtcp_index_encrypted       | 0 to 1            | packets with an SRTCP index and the E flag
""",
    "clear": """
rtcp_has_sdes          | ratio                  | SDES packets in a compound packet, mean
rtcp_has_bye           | 0 or 1                 | BYE was seen
rtcp_has_xr            | 0 or 1                 | an extended report (RFC 3611) was seen
rtcp_blocks            | count                  | mean number of RTCP packets in a compound packet
rtcp_items             | count                  | SDES items, most in a chunk
rtcp_has_name          | 0 or 1                 | SDES NAME was seen
rtcp_has_tool          | 0 or 1                 | SDES TOOL was seen
rtcp_has_other_item    | 0 or 1                 | an SDES item beside CNAME, NAME and TOOL was seen
cname_length           | bytes                  | length of the first CNAME
cname_at               | count                  | @ in it
cname_digits           | 0 to 1                 | its characters that are digits
cname_hex              | 0 to 1                 | its characters that are hexadecimal digits
cname_dashes           | count                  | dashes in it
cname_dots             | count                  | dots in it
cname_colon            | count                  | colons in it
cname_brace            | count                  | braces in it
cname_upper            | 0 to 1                 | its characters that are upper-case letters
cname_spare_padding    | bytes                  | bytes behind the items of an SDES packet, less 4, most
tool_length            | bytes                  | length of the last TOOL
sr_ntp_offset_s        | signed ln(1 + 10 s)    | NTP time of the last sender report less its arrival
sr_ntp_fraction_zeros  | bits                   | zero bits at the end of the NTP fraction, most
sr_timestamp_is_last   | 0 to 1                 | reports that repeat the last packet's timestamp, not their own time
sr_timestamp_error_ms  | signed ln(1 + ms)      | RTP timestamp of the last report less the time of sending
sr_packet_count_error  | signed ln(1 + packets) | packets that a report counts less those seen
sr_packet_count_zero   | 0 or 1                 | a report counts no packet
sr_octets_for_packet   | bytes                  | octets over packets of the last report, at most 1500
block_fraction_lost    | 0 to 1                 | largest fraction lost in a report block
block_lost_negative    | 0 or 1                 | a block has a negative number of lost packets
block_sequence_cycles  | 0 or 1                 | a block counts sequence number cycles
block_jitter_zero      | 0 to 1                 | blocks without jitter
block_lsr_zero         | 0 to 1                 | blocks without the time of the last sender report
block_dlsr_zero        | 0 to 1                 | blocks without the delay since the last sender report
block_dlsr_without_lsr | 0 to 1                 | blocks with this delay but not that time
block_source_zero      | 0 to 1                 | blocks about SSRC 0
""",
    "stun": """
stun_seen               | 0 or 1               | the sender sent a Binding request
stun_attributes         | count                | attributes, without USE-CANDIDATE
stun_user_name_at       | position             | USERNAME
stun_priority_at        | position             | PRIORITY
stun_role_at            | position             | ICE-CONTROLLED or ICE-CONTROLLING
stun_software_at        | position             | SOFTWARE
stun_network_cost_at    | position             | 0xC057, libwebrtc's network cost
stun_unknown_attributes | count                | attributes other than these, MESSAGE-INTEGRITY and FINGERPRINT
stun_software_length    | bytes                | length of SOFTWARE
stun_fragment_length    | bytes                | the sender's own part of the user name
stun_fragment_digits    | 0 to 1               | its characters that are digits
stun_fragment_lower     | 0 to 1               | its characters that are lower-case letters
stun_fragment_upper     | 0 to 1               | its characters that are upper-case letters
stun_fragment_symbols   | 0 to 1               | its characters that are + or /
stun_priority_type      | preference           | type preference of PRIORITY (RFC 8445 5.1.2)
stun_priority_local     | log2(1 + preference) | local preference of PRIORITY
""",
    "dtls": """
dtls_client_hello        | 0 or 1   | the sender sent a ClientHello
dtls_server_hello        | 0 or 1   | the sender sent a ServerHello
dtls_record_version      | 1 or 2   | 1: DTLS 1.0 on the record, 2: 1.2
dtls_fragmented          | 0 or 1   | the hello is in fragments
dtls_session_id_length   | bytes    | length of the session id
dtls_suites              | count    | cipher suites offered
dtls_suite               | 0 or 1   | the cipher suite is offered
dtls_client_extension_at | position | the extension in a ClientHello
dtls_server_extension_at | position | the extension in a ServerHello
dtls_unknown_extensions  | count    | extensions other than these
dtls_groups_length       | bytes    | length of supported_groups in a ClientHello
dtls_signatures_length   | bytes    | length of signature_algorithms in a ClientHello
dtls_srtp_length         | bytes    | length of use_srtp in a ClientHello
""",
}
"""A line for each field, by group: name, unit, meaning. A *position* counts from 1; 0: not there."""


class FlowFeature(NamedTuple):
    """A field of the feature row."""

    name: str
    unit: str
    meaning: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return COLUMNS.get(self.name, (self.name,))


FEATURES: dict[str, tuple[FlowFeature, ...]] = {
    group: tuple(
        FlowFeature(*(cell.strip() for cell in line.split("|"))) for line in table.strip().splitlines()
    )
    for group, table in TABLES.items()
}
"""Features by group, in column order. Training drops whole groups, so that no verdict leans on one."""
