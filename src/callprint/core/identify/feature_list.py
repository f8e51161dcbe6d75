"""The list of identification features, in the order in which a network reads them.

The row that compiled code fills (feature_row.py), the names that drift and reports use, and docs/how/features.md
derive from it. `FEATURE_VERSION` stands for the order and the meaning of every column: a network made for another
version is refused.
"""

from typing import NamedTuple

FEATURE_VERSION = 2

FLAG = "0 or 1"
FRACTION = "0 to 1"
COUNT = "count"
BYTES = "bytes"
BITS = "bits"
RANK = "place"  # counted from 1; 0 where there is none
WORDS = "32-bit words"
DURATIONS = "packet durations"
MS = "ms"
LOG2_COUNT = "log2(1 + count)"
LOG_MS = "ln(1 + ms)"
SIGNED_LOG_MS = "signed ln(1 + ms)"

# Cipher suites (IANA): TLS 1.3, then ECDHE with AES-GCM and ChaCha20, then CBC, then RSA, DHE and others in use.
SUITES = (
    *(0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xCCAA),
    *(0xC009, 0xC013, 0xC00A, 0xC014, 0xC023, 0xC027, 0x009C, 0x002F, 0x0035, 0x009E, 0x0033, 0xC0AC, 0x00FF),
)
# Extensions (IANA): server_name, groups, point formats, signatures, use_srtp, ALPN, encrypt_then_mac,
# extended_master_secret, delegated_credential, session_ticket, supported_versions, psk modes, key_share,
# record_size_limit, renegotiation_info.
EXTENSIONS = (0, 10, 11, 13, 14, 16, 22, 23, 34, 35, 43, 45, 51, 28, 65281)


class Feature(NamedTuple):
    """A field of the feature row: one column, or as many as `columns` names."""

    name: str
    unit: str
    meaning: str
    columns: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return self.columns or (self.name,)


FEATURES: dict[str, tuple[Feature, ...]] = {
    "start": (
        Feature("first_marker", FLAG, "marker bit of the first packet"),
        Feature("second_marker", FLAG, "marker bit of the second packet"),
        Feature("first_sequence_small", FLAG, "first sequence number below 16: counted from 0 or 1"),
        Feature("first_sequence_below_4096", FLAG, "first sequence number below 4096"),
        Feature("first_sequence_high_bit", FLAG, "first sequence number of 2^15 or more"),
        Feature("first_timestamp_zero", FLAG, "first timestamp is 0"),
        Feature("first_timestamp_below_65536", FLAG, "first timestamp below 65536"),
        Feature("first_timestamp_high_bit", FLAG, "first timestamp of 2^31 or more"),
        Feature("first_timestamp_log2", "log2(1 + timestamp) / 32", "size of the first timestamp"),
        Feature("first_timestamp_is_increment", FLAG, "first timestamp is the usual step, not random"),
        Feature("ssrc_below_65536", FLAG, "SSRC below 65536"),
        Feature("ssrc_low_half_zero", FLAG, "low 16 bits of the SSRC are 0"),
        Feature("ssrc_high_bit", FLAG, "SSRC of 2^31 or more"),
        Feature(
            "increment_ratios",
            "signed ln(1 + steps)",
            "how far the first, second and third timestamp step exceeds the usual one, in usual steps",
            ("first_increment_ratio", "second_increment_ratio", "third_increment_ratio"),
        ),
        Feature(
            "timestamp_follows_sequence",
            FLAG,
            "first timestamp is usual step times sequence: both began at 0",
        ),
    ),
    "header": (
        Feature("marker_fraction", FRACTION, "packets with the marker bit"),
        Feature("marker_after_first", FRACTION, "packets after the first with the marker bit"),
        Feature("marker_with_jump", FRACTION, "later markers with a timestamp jump: talk spurts"),
        Feature("padding_fraction", FRACTION, "packets with the padding bit"),
        Feature("csrc_fraction", FRACTION, "packets with contributing sources"),
        Feature("extension_fraction", FRACTION, "packets with the extension bit"),
        Feature(
            "header_changes", FRACTION, "packets whose first byte differs from that of the packet before"
        ),
        Feature("payload_types", COUNT, "distinct payload types"),
    ),
    "type": (
        Feature("type_pcmu", FLAG, "usual payload type is 0, PCMU"),
        Feature("type_pcma", FLAG, "usual payload type is 8, PCMA"),
        Feature("type_gsm", FLAG, "usual payload type is 3, GSM"),
        Feature("type_g722", FLAG, "usual payload type is 9, G.722"),
        Feature("type_g729", FLAG, "usual payload type is 18, G.729"),
        Feature("type_dynamic", FLAG, "usual payload type is 96 or more"),
        Feature("type_value", "type / 127", "usual payload type if dynamic, otherwise 0"),
        Feature("type_comfort_noise", FRACTION, "packets of payload type 13 or 19"),
        Feature("type_event", FRACTION, "packets of dynamic types other than the usual one"),
    ),
    "extension": (
        Feature("extension_one_byte", FRACTION, "header extensions in the one-byte form (RFC 8285 4.2)"),
        Feature("extension_two_byte", FRACTION, "header extensions in the two-byte form (RFC 8285 4.3)"),
        Feature("extension_words_first", WORDS, "length of the first header extension"),
        Feature("extension_words_mean", WORDS, "mean length"),
        Feature(
            "extension_words_changes", FRACTION, "header extensions that differ in length from the one before"
        ),
        Feature("extension_elements_first", COUNT, "elements in the first header extension"),
        Feature("extension_elements_mean", COUNT, "mean number of elements"),
        Feature("extension_padding_bytes", BYTES, "mean padding"),
        Feature("extension_gap_padding", BYTES, "mean padding before the last element"),
        Feature("extension_send_time", RANK, "a 3-byte element that grows"),
        Feature("extension_counter", RANK, "a 2-byte element that counts packets"),
        Feature("extension_identifier", RANK, "an element that stays the same"),
        Feature("extension_identifier_length", BYTES, "length of that element"),
        Feature("extension_level", RANK, "a 1-byte element that varies: the audio level (RFC 6464)"),
        Feature("extension_level_mean", "level / 127", "mean audio level"),
        Feature("extension_level_voice_fraction", FRACTION, "audio levels with the voice flag"),
        Feature("extension_level_floor_fraction", FRACTION, "audio levels of 127: silence"),
        Feature("extension_level_changes", FRACTION, "audio levels that differ from the one before"),
        Feature("extension_ids_ascending", FRACTION, "header extensions with their elements in order of id"),
        Feature(
            "extension_send_time_step", MS, "mean growth of the send time from packet to packet, at most 200"
        ),
    ),
    "timestamps": (
        Feature("packets_log2", LOG2_COUNT, "packets looked at"),
        Feature("rate_8000", FLAG, "nearest usual clock rate is 8 kHz"),
        Feature("rate_16000", FLAG, "nearest usual clock rate is 16 kHz"),
        Feature("rate_48000", FLAG, "nearest usual clock rate is 48 kHz"),
        Feature("rate_other", FLAG, "the measured rate is less than half or more than twice that"),
        Feature("rate_error", "ratio", "measured over nearest usual clock rate, at most 4"),
        Feature("packet_duration_ms", MS, "the usual timestamp step as a time, at most 200"),
        Feature("increment_fraction", FRACTION, "timestamp steps in sequence that are the usual one"),
        Feature("increments_distinct", LOG2_COUNT, "distinct timestamp steps in sequence"),
        Feature("increment_second_ratio", "ratio", "second most frequent step over the usual one, -1 to 8"),
        Feature(
            "increment_second_fraction",
            FRACTION,
            "timestamp steps in sequence that are the second most frequent one",
        ),
        Feature("increment_zero_fraction", FRACTION, "timestamp steps in sequence of 0"),
        Feature(
            "increment_jump_fraction", FRACTION, "steps in sequence above 1.5 usual ones: silence suppressed"
        ),
        Feature(
            "increment_jump_log2",
            "log2(ratio)",
            "largest step in sequence over the usual one, above 1.5 of it",
        ),
        Feature("increment_backward_fraction", FRACTION, "timestamp steps in sequence below 0"),
        Feature("loss_fraction", FRACTION, "packets missing from sequence gaps below 100"),
    ),
    "sizes": (
        Feature("payload_first", BYTES, "first payload"),
        Feature("payload_usual", BYTES, "most frequent length"),
        Feature("payload_usual_fraction", FRACTION, "payloads of that length"),
        Feature("payload_minimum", BYTES, "shortest payload"),
        Feature("payload_maximum", BYTES, "longest payload"),
        Feature("payload_mean", BYTES, "mean length"),
        Feature("payload_deviation", BYTES, "standard deviation of lengths"),
        Feature("payload_distinct", LOG2_COUNT, "distinct lengths"),
        Feature("payload_step_mean", BYTES, "mean absolute change of length from packet to packet"),
        Feature("payload_step_zero", FRACTION, "payloads as long as the one before"),
        Feature("payload_excess", BYTES, "usual length less the codec's, -64 to 64: an authentication tag"),
        Feature("padded_payload_mean", BYTES, "mean length of payloads with the padding bit"),
        Feature("rate_kbits", "kbit/s", "rate of payloads, at most 500"),
        Feature("payload_multiple_of_4", FRACTION, "payloads whose length is a multiple of 4"),
    ),
    "arrival": (
        Feature("gap_10", DURATIONS, "10th percentile of gaps between packets in sequence, at most 8"),
        Feature("gap_25", DURATIONS, "25th percentile of these gaps"),
        Feature("gap_50", DURATIONS, "50th percentile of these gaps"),
        Feature("gap_75", DURATIONS, "75th percentile of these gaps"),
        Feature("gap_90", DURATIONS, "90th percentile of these gaps"),
        Feature("gap_minimum", DURATIONS, "shortest gap"),
        Feature("gap_maximum", "ln(1 + packet durations)", "longest gap"),
        Feature("gap_burst_fraction", FRACTION, "gaps below a tenth of a packet duration"),
        Feature("gap_late_fraction", FRACTION, "gaps above 1.5 packet durations"),
        Feature("gap_near_fraction", FRACTION, "gaps within 5 % of a packet duration"),
        Feature("gap_very_near_fraction", FRACTION, "gaps within 1 % of a packet duration"),
        Feature("gap_deviation_ms", LOG_MS, "standard deviation of gap errors: gaps less timestamp steps"),
        Feature("gap_error_50_ms", LOG_MS, "median absolute gap error"),
        Feature("gap_correlation_1", "-1 to 1", "autocorrelation of gap errors at lag 1"),
        Feature("gap_correlation_2", "-1 to 1", "autocorrelation of gap errors at lag 2"),
        Feature("gap_correlation_3", "-1 to 1", "autocorrelation of gap errors at lag 3"),
        Feature("burst_longest", "ln(1 + packets)", "longest run of gaps below a tenth of a packet duration"),
        Feature("gap_first", DURATIONS, "first gap"),
        Feature("gap_second", DURATIONS, "second gap"),
        Feature("residual_deviation_ms", LOG_MS, "standard deviation of residuals: arrival less timestamp"),
        Feature("residual_50_ms", LOG_MS, "median residual above the smallest"),
        Feature("residual_90_ms", LOG_MS, "90th percentile of residuals above the smallest"),
        Feature("residual_slope", "signed ln(1 + ms/s)", "drift of arrival times against timestamps"),
        Feature("gap_whole_ms_fraction", FRACTION, "gaps within 0.1 ms of a whole number of milliseconds"),
    ),
    "payload": (
        Feature("payload_entropy", BITS, "entropy of payload bytes"),
        Feature("payload_top_byte", FRACTION, "bytes that are the most frequent one"),
        Feature("payload_distinct_bytes", "of 256", "distinct bytes"),
        Feature("payload_high_bit", FRACTION, "bytes of 128 or more"),
        Feature("payload_odd", FRACTION, "odd bytes"),
        Feature("payload_holes", "of 128", "unused codes between used ones: sound from a coarser scale"),
        Feature(
            "payload_pair_roughness", FRACTION, "how much counts of even codes differ from the odd ones above"
        ),
        Feature("payload_repeat", FRACTION, "bytes equal to the byte before"),
        Feature("payload_plus_zero", FRACTION, "bytes 0xff, positive zero of G.711 µ-law"),
        Feature("payload_minus_zero", FRACTION, "bytes 0x7f, negative zero of µ-law"),
        Feature("payload_near_silence", FRACTION, "bytes next to the zeros of µ-law"),
        Feature("payload_alaw_plus_zero", FRACTION, "bytes 0xd5, smallest positive code of G.711 A-law"),
        Feature("payload_alaw_minus_zero", FRACTION, "bytes 0x55, smallest negative code of A-law"),
        Feature("payload_alaw_near_silence", FRACTION, "bytes next to the smallest codes of A-law"),
        Feature("payload_zero_byte", FRACTION, "bytes 0x00"),
        Feature(
            "payload_extreme_codes", FRACTION, "bytes 0x80, 0x00, 0x2a and 0xaa: the loudest of both laws"
        ),
        Feature(
            "first_payload_top_byte", FRACTION, "bytes of the first payload that are its most frequent one"
        ),
        Feature("first_payload_entropy", BITS, "entropy of the first payload"),
        Feature("first_payload_lead", "log2(bytes)", "identical bytes at the start of the first payload"),
        Feature(
            "lead_bits",
            FLAG,
            "bits of the usual first byte: Opus TOC (RFC 6716 3.1), GSM magic, Speex mode",
            tuple(f"lead_bit_{bit}" for bit in range(7, -1, -1)),
        ),
        Feature("lead_usual_fraction", FRACTION, "payloads with the usual first byte"),
        Feature("lead_distinct", LOG2_COUNT, "distinct first bytes"),
        Feature("lead_high_nibble_fraction", FRACTION, "payloads with the first four bits of that byte"),
        Feature(
            "lead_config_fraction", FRACTION, "payloads with its first five bits: the Opus configuration"
        ),
        Feature("lead_code_changes", FRACTION, "changes of its last two bits: the Opus frame count code"),
        Feature("second_usual_fraction", FRACTION, "payloads with the usual second byte"),
        Feature("second_distinct", LOG2_COUNT, "distinct second bytes"),
        Feature("second_high_bit", FRACTION, "payloads with a second byte of 128 or more"),
        Feature("tail_usual_fraction", FRACTION, "payloads with the usual last byte"),
        Feature("tail_distinct", LOG2_COUNT, "distinct last bytes"),
        Feature("tail_usual_low_bits", "of 15", "last four bits of the usual last byte"),
        Feature("tail_usual_ones", "of 8", "one bits of the usual last byte"),
        Feature("tail_zero_fraction", FRACTION, "payloads that end in 0x00"),
    ),
    "rtcp": (
        Feature("rtcp_count", LOG2_COUNT, "RTCP packets"),
        Feature("rtcp_per_second", "log2(1 + 1/s)", "RTCP packets a second"),
        Feature(
            "rtcp_first_ms", SIGNED_LOG_MS, "first RTCP less first media packet; negative: RTCP came first"
        ),
        Feature("rtcp_before_media", FRACTION, "RTCP packets before the first media packet"),
        Feature("rtcp_gap_mean_ms", SIGNED_LOG_MS, "mean gap between RTCP packets"),
        Feature("rtcp_gap_deviation", "ratio", "standard deviation of gaps over their mean"),
        Feature("rtcp_gap_minimum_ms", SIGNED_LOG_MS, "shortest gap"),
        Feature("rtcp_first_is_sr", FLAG, "the first packet begins with a sender report"),
        Feature("rtcp_first_is_rr", FLAG, "the first packet begins with a receiver report"),
        Feature("rtcp_first_is_app", FLAG, "the first packet begins with APP"),
        Feature("rtcp_first_is_feedback", FLAG, "the first packet begins with a feedback message (RFC 4585)"),
        Feature("rtcp_sr_fraction", FRACTION, "packets that begin with a sender report"),
        Feature("rtcp_rr_fraction", FRACTION, "packets that begin with a receiver report"),
        Feature("rtcp_feedback_fraction", FRACTION, "packets that begin with a feedback message"),
        Feature("rtcp_app_fraction", FRACTION, "packets that begin with APP"),
        Feature("rtcp_padding_fraction", FRACTION, "packets with the padding bit"),
        Feature("rtcp_report_blocks", COUNT, "mean number of report blocks in these reports"),
        Feature(
            "rtcp_feedback_format",
            "format",
            "mean of feedback messages; 15: transport-wide congestion control",
        ),
        Feature("rtcp_foreign_source", FRACTION, "packets whose SSRC is not that of the media"),
        Feature("rtcp_foreign_rr", FRACTION, "receiver reports whose SSRC is not that of the media"),
        Feature("rtcp_length_first", BYTES, "first RTCP packet"),
        Feature("rtcp_length_sr", BYTES, "mean length of packets that begin with a sender report"),
        Feature("rtcp_length_rr", BYTES, "mean length of packets that begin with a receiver report"),
        Feature("rtcp_length_feedback", BYTES, "mean length of packets that begin with a feedback message"),
        Feature("rtcp_rr_after_sr_ms", SIGNED_LOG_MS, "mean time from a sender report to a receiver report"),
        Feature("rtcp_sr_interval_ms", SIGNED_LOG_MS, "mean time from sender report to sender report"),
        Feature("rtcp_sr_interval_deviation", "ratio", "standard deviation of these times over their mean"),
        Feature("rtcp_rr_interval_ms", SIGNED_LOG_MS, "mean time from receiver report to receiver report"),
        Feature("rtcp_clear_fraction", FRACTION, "packets that are not encrypted"),
        Feature("rtcp_index_at_end", FRACTION, "SRTCP index in the last four bytes (AEAD, RFC 7714)"),
        Feature("rtcp_index_before_tag", FRACTION, "SRTCP index before a tag of 10 or 4 bytes"),
        Feature("rtcp_index_starts_at_zero", FLAG, "the first SRTCP index found is 0"),
        Feature("rtcp_index_encrypted", FRACTION, "packets with an SRTCP index and the E flag"),
    ),
    "clear": (
        Feature("rtcp_has_sdes", "ratio", "SDES packets in a compound packet, mean"),
        Feature("rtcp_has_bye", FLAG, "BYE was seen"),
        Feature("rtcp_has_xr", FLAG, "an extended report (RFC 3611) was seen"),
        Feature("rtcp_blocks", COUNT, "mean number of RTCP packets in a compound packet"),
        Feature("rtcp_items", COUNT, "SDES items, most in a chunk"),
        Feature("rtcp_has_name", FLAG, "SDES NAME was seen"),
        Feature("rtcp_has_tool", FLAG, "SDES TOOL was seen"),
        Feature("rtcp_has_other_item", FLAG, "an SDES item beside CNAME, NAME and TOOL was seen"),
        Feature("cname_length", BYTES, "length of the first CNAME"),
        Feature("cname_at", COUNT, "@ in it"),
        Feature("cname_digits", FRACTION, "its characters that are digits"),
        Feature("cname_hex", FRACTION, "its characters that are hexadecimal digits"),
        Feature("cname_dashes", COUNT, "dashes in it"),
        Feature("cname_dots", COUNT, "dots in it"),
        Feature("cname_colon", COUNT, "colons in it"),
        Feature("cname_brace", COUNT, "braces in it"),
        Feature("cname_upper", FRACTION, "its characters that are upper-case letters"),
        Feature("cname_spare_padding", BYTES, "bytes behind the items of an SDES packet, less 4, most"),
        Feature("tool_length", BYTES, "length of the last TOOL"),
        Feature(
            "sr_ntp_offset_s", "signed ln(1 + 0.1 s)", "NTP time of the last sender report less its arrival"
        ),
        Feature("sr_ntp_fraction_zeros", BITS, "zero bits at the end of the NTP fraction, most"),
        Feature(
            "sr_timestamp_is_last",
            FRACTION,
            "reports that repeat the last packet's timestamp, not their own time",
        ),
        Feature(
            "sr_timestamp_error_ms",
            SIGNED_LOG_MS,
            "RTP timestamp of the last report less the time of sending",
        ),
        Feature(
            "sr_packet_count_error", "signed ln(1 + packets)", "packets that a report counts less those seen"
        ),
        Feature("sr_packet_count_zero", FLAG, "a report counts no packet"),
        Feature("sr_octets_for_packet", BYTES, "octets over packets of the last report, at most 1500"),
        Feature("block_fraction_lost", FRACTION, "largest fraction lost in a report block"),
        Feature("block_lost_negative", FLAG, "a block has a negative number of lost packets"),
        Feature("block_sequence_cycles", FLAG, "a block counts sequence number cycles"),
        Feature("block_jitter_zero", FRACTION, "blocks without jitter"),
        Feature("block_lsr_zero", FRACTION, "blocks without the time of the last sender report"),
        Feature("block_dlsr_zero", FRACTION, "blocks without the delay since the last sender report"),
        Feature("block_dlsr_without_lsr", FRACTION, "blocks with this delay but not that time"),
        Feature("block_source_zero", FRACTION, "blocks about SSRC 0"),
    ),
    "stun": (
        Feature("stun_seen", FLAG, "the sender sent a Binding request"),
        Feature("stun_attributes", COUNT, "attributes, without USE-CANDIDATE"),
        Feature("stun_user_name_at", RANK, "USERNAME"),
        Feature("stun_priority_at", RANK, "PRIORITY"),
        Feature("stun_role_at", RANK, "ICE-CONTROLLED or ICE-CONTROLLING"),
        Feature("stun_software_at", RANK, "SOFTWARE"),
        Feature("stun_network_cost_at", RANK, "0xC057, libwebrtc's network cost"),
        Feature(
            "stun_unknown_attributes", COUNT, "attributes other than these, MESSAGE-INTEGRITY and FINGERPRINT"
        ),
        Feature("stun_software_length", BYTES, "length of SOFTWARE"),
        Feature("stun_fragment_length", BYTES, "the sender's own part of the user name"),
        Feature("stun_fragment_digits", FRACTION, "its characters that are digits"),
        Feature("stun_fragment_lower", FRACTION, "its characters that are lower-case letters"),
        Feature("stun_fragment_upper", FRACTION, "its characters that are upper-case letters"),
        Feature("stun_fragment_symbols", FRACTION, "its characters that are + or /"),
        Feature("stun_priority_type", "preference", "type preference of PRIORITY (RFC 8445 5.1.2)"),
        Feature("stun_priority_local", "log2(1 + preference)", "local preference of PRIORITY"),
    ),
    "dtls": (
        Feature("dtls_client_hello", FLAG, "the sender sent a ClientHello"),
        Feature("dtls_server_hello", FLAG, "the sender sent a ServerHello"),
        Feature("dtls_record_version", "1 or 2", "1: DTLS 1.0 on the record, 2: 1.2"),
        Feature("dtls_fragmented", FLAG, "the hello is in fragments"),
        Feature("dtls_session_id_length", BYTES, "length of the session id"),
        Feature("dtls_suites", COUNT, "cipher suites offered"),
        Feature(
            "dtls_suite",
            FLAG,
            "the cipher suite is offered",
            tuple(f"dtls_suite_{code:04x}" for code in SUITES),
        ),
        Feature(
            "dtls_client_extension_at",
            RANK,
            "the extension in a ClientHello",
            tuple(f"dtls_client_extension_{code}_at" for code in EXTENSIONS),
        ),
        Feature(
            "dtls_server_extension_at",
            RANK,
            "the extension in a ServerHello",
            tuple(f"dtls_server_extension_{code}_at" for code in EXTENSIONS),
        ),
        Feature("dtls_unknown_extensions", COUNT, "extensions other than these"),
        Feature("dtls_groups_length", BYTES, "length of supported_groups in a ClientHello"),
        Feature("dtls_signatures_length", BYTES, "length of signature_algorithms in a ClientHello"),
        Feature("dtls_srtp_length", BYTES, "length of use_srtp in a ClientHello"),
    ),
}
"""Features by group, in column order. Training drops whole groups, so that no verdict leans on one."""
