"""What has changed in the tables since 0.1.0: each entry takes both stores one version further.

The tables of 0.1.0 are in sqlite_schema.py and cql/. An entry that was released is never changed, so its statements
are written out. A new field of a verdict, a flow summary or a call is one entry, a column at a time:

    Migration(
        sqlite=("ALTER TABLE flow ADD COLUMN skew_ppm REAL",),
        cassandra=("ALTER TABLE flow_by_key ADD skew_ppm double",),
    ),

Old rows have no value there: NULL, "not known". Cassandra holds verdicts in verdict_by_flow, verdict_by_host_hour,
verdict_by_host_day (of older versions) and verdict_by_application_hour, and calls in call_by_id, call_by_number_day and
call_by_hour.
"""

from typing import NamedTuple


class Migration(NamedTuple):
    """The statements of one version; none where a store has no part in it."""

    sqlite: tuple[str, ...] = ()
    cassandra: tuple[str, ...] = ()  # with the settings in braces that cassandra_schema.statements fills in
    cassandra_earlier: tuple[str, str] | None = (
        None  # days of the first kind are listed as the second one, too
    )


SINCE_0_1_0: tuple[Migration, ...] = (
    Migration(
        sqlite=(
            "ALTER TABLE flow ADD COLUMN capture TEXT",
            "ALTER TABLE flow ADD COLUMN announced_codec TEXT",
            "ALTER TABLE flow ADD COLUMN announced_clock_rate_hz INTEGER",
            "ALTER TABLE call ADD COLUMN capture TEXT",
        ),
        cassandra=(
            "ALTER TABLE flow_by_key ADD capture text",
            "ALTER TABLE flow_by_key ADD announced_codec text",
            "ALTER TABLE flow_by_key ADD announced_clock_rate_hz bigint",
            "ALTER TABLE call_by_id ADD capture text",
            "ALTER TABLE call_by_number_day ADD capture text",
            "ALTER TABLE call_by_hour ADD capture text",
        ),
    ),
    # What made a judgement. Of several about the same thing the one with the highest sequence counts (columns.py).
    Migration(
        sqlite=(
            "ALTER TABLE verdict ADD COLUMN model_digest TEXT",
            "ALTER TABLE verdict ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE call ADD COLUMN detector_state TEXT",
            "ALTER TABLE call ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0",
            "CREATE TABLE last_sequence (number INTEGER NOT NULL) STRICT",
            "INSERT INTO last_sequence VALUES (0)",
        ),
        cassandra=(
            "ALTER TABLE verdict_by_flow ADD model_digest text",
            "ALTER TABLE verdict_by_flow ADD sequence bigint",
            "ALTER TABLE verdict_by_host_day ADD model_digest text",
            "ALTER TABLE verdict_by_host_day ADD sequence bigint",
            "ALTER TABLE verdict_by_application_hour ADD model_digest text",
            "ALTER TABLE verdict_by_application_hour ADD sequence bigint",
            "ALTER TABLE call_by_id ADD detector_state text",
            "ALTER TABLE call_by_id ADD sequence bigint",
            "ALTER TABLE call_by_number_day ADD detector_state text",
            "ALTER TABLE call_by_number_day ADD sequence bigint",
            "ALTER TABLE call_by_hour ADD detector_state text",
            "ALTER TABLE call_by_hour ADD sequence bigint",
        ),
    ),
    Migration(
        sqlite=(
            "ALTER TABLE call ADD COLUMN claimed_caller TEXT",
            "ALTER TABLE call ADD COLUMN diverted_by TEXT",
        ),
        cassandra=(
            "ALTER TABLE call_by_id ADD claimed_caller text",
            "ALTER TABLE call_by_id ADD diverted_by text",
            "ALTER TABLE call_by_number_day ADD claimed_caller text",
            "ALTER TABLE call_by_number_day ADD diverted_by text",
            "ALTER TABLE call_by_hour ADD claimed_caller text",
            "ALTER TABLE call_by_hour ADD diverted_by text",
        ),
    ),
    Migration(
        sqlite=(
            "ALTER TABLE flow ADD COLUMN first_sequence INTEGER",
            "ALTER TABLE call ADD COLUMN relayed_by TEXT",
        ),
        cassandra=(
            "ALTER TABLE flow_by_key ADD first_sequence bigint",
            "ALTER TABLE call_by_id ADD relayed_by text",
            "ALTER TABLE call_by_number_day ADD relayed_by text",
            "ALTER TABLE call_by_hour ADD relayed_by text",
        ),
    ),
    Migration(
        sqlite=("ALTER TABLE verdict ADD COLUMN based_on TEXT",),
        cassandra=(
            "ALTER TABLE verdict_by_flow ADD based_on text",
            "ALTER TABLE verdict_by_host_day ADD based_on text",
            "ALTER TABLE verdict_by_application_hour ADD based_on text",
        ),
    ),
    # Voice quality.
    Migration(
        sqlite=(
            "ALTER TABLE flow ADD COLUMN jitter_min_ms REAL",
            "ALTER TABLE flow ADD COLUMN jitter_mean_ms REAL",
            "ALTER TABLE flow ADD COLUMN jitter_max_ms REAL",
            "ALTER TABLE flow ADD COLUMN late INTEGER",
            "ALTER TABLE flow ADD COLUMN burst_density REAL",
            "ALTER TABLE flow ADD COLUMN gap_density REAL",
            "ALTER TABLE flow ADD COLUMN longest_gap_ms INTEGER",
            "ALTER TABLE flow ADD COLUMN pause_share REAL",
            "ALTER TABLE flow ADD COLUMN quiet_share REAL",
            "ALTER TABLE flow ADD COLUMN packet_ms REAL",
            "ALTER TABLE flow ADD COLUMN r_factor REAL",
            "ALTER TABLE flow ADD COLUMN mos REAL",
            "ALTER TABLE flow ADD COLUMN mos_band TEXT",
            "ALTER TABLE flow ADD COLUMN round_trip_ms REAL",
            "ALTER TABLE flow ADD COLUMN far_lost_share REAL",
            "ALTER TABLE flow ADD COLUMN far_jitter_ms REAL",
            "ALTER TABLE flow ADD COLUMN far_mos REAL",
            "ALTER TABLE flow ADD COLUMN quality_notes TEXT",
            "ALTER TABLE flow ADD COLUMN quality_windows TEXT",
            "ALTER TABLE call ADD COLUMN caller_mos REAL",
            "ALTER TABLE call ADD COLUMN callee_mos REAL",
            "ALTER TABLE call ADD COLUMN media_notes TEXT",
        ),
        cassandra=(
            "ALTER TABLE flow_by_key ADD jitter_min_ms double",
            "ALTER TABLE flow_by_key ADD jitter_mean_ms double",
            "ALTER TABLE flow_by_key ADD jitter_max_ms double",
            "ALTER TABLE flow_by_key ADD late bigint",
            "ALTER TABLE flow_by_key ADD burst_density double",
            "ALTER TABLE flow_by_key ADD gap_density double",
            "ALTER TABLE flow_by_key ADD longest_gap_ms bigint",
            "ALTER TABLE flow_by_key ADD pause_share double",
            "ALTER TABLE flow_by_key ADD quiet_share double",
            "ALTER TABLE flow_by_key ADD packet_ms double",
            "ALTER TABLE flow_by_key ADD r_factor double",
            "ALTER TABLE flow_by_key ADD mos double",
            "ALTER TABLE flow_by_key ADD mos_band text",
            "ALTER TABLE flow_by_key ADD round_trip_ms double",
            "ALTER TABLE flow_by_key ADD far_lost_share double",
            "ALTER TABLE flow_by_key ADD far_jitter_ms double",
            "ALTER TABLE flow_by_key ADD far_mos double",
            "ALTER TABLE flow_by_key ADD quality_notes text",
            "ALTER TABLE flow_by_key ADD quality_windows text",
            "ALTER TABLE call_by_id ADD caller_mos double",
            "ALTER TABLE call_by_id ADD callee_mos double",
            "ALTER TABLE call_by_id ADD media_notes text",
            "ALTER TABLE call_by_number_day ADD caller_mos double",
            "ALTER TABLE call_by_number_day ADD callee_mos double",
            "ALTER TABLE call_by_number_day ADD media_notes text",
            "ALTER TABLE call_by_hour ADD caller_mos double",
            "ALTER TABLE call_by_hour ADD callee_mos double",
            "ALTER TABLE call_by_hour ADD media_notes text",
        ),
    ),
    Migration(
        sqlite=(
            "ALTER TABLE verdict ADD COLUMN engine TEXT",
            "ALTER TABLE verdict ADD COLUMN engine_confidence REAL",
        ),
        cassandra=(
            "ALTER TABLE verdict_by_flow ADD engine text",
            "ALTER TABLE verdict_by_flow ADD engine_confidence double",
            "ALTER TABLE verdict_by_host_day ADD engine text",
            "ALTER TABLE verdict_by_host_day ADD engine_confidence double",
            "ALTER TABLE verdict_by_application_hour ADD engine text",
            "ALTER TABLE verdict_by_application_hour ADD engine_confidence double",
        ),
    ),
    # What packets say themselves (ADR 0014).
    Migration(
        sqlite=(
            "ALTER TABLE verdict ADD COLUMN declared_application TEXT",
            "ALTER TABLE verdict ADD COLUMN declared_version TEXT",
            "ALTER TABLE verdict ADD COLUMN declared_by TEXT",
            "ALTER TABLE call ADD COLUMN caller_declared_application TEXT",
            "ALTER TABLE call ADD COLUMN caller_declared_version TEXT",
            "ALTER TABLE call ADD COLUMN caller_declared_by TEXT",
            "ALTER TABLE call ADD COLUMN callee_declared_application TEXT",
            "ALTER TABLE call ADD COLUMN callee_declared_version TEXT",
            "ALTER TABLE call ADD COLUMN callee_declared_by TEXT",
        ),
        cassandra=(
            "ALTER TABLE verdict_by_flow ADD declared_application text",
            "ALTER TABLE verdict_by_flow ADD declared_version text",
            "ALTER TABLE verdict_by_flow ADD declared_by text",
            "ALTER TABLE verdict_by_host_day ADD declared_application text",
            "ALTER TABLE verdict_by_host_day ADD declared_version text",
            "ALTER TABLE verdict_by_host_day ADD declared_by text",
            "ALTER TABLE verdict_by_application_hour ADD declared_application text",
            "ALTER TABLE verdict_by_application_hour ADD declared_version text",
            "ALTER TABLE verdict_by_application_hour ADD declared_by text",
            "ALTER TABLE call_by_id ADD caller_declared_application text",
            "ALTER TABLE call_by_id ADD caller_declared_version text",
            "ALTER TABLE call_by_id ADD caller_declared_by text",
            "ALTER TABLE call_by_id ADD callee_declared_application text",
            "ALTER TABLE call_by_id ADD callee_declared_version text",
            "ALTER TABLE call_by_id ADD callee_declared_by text",
            "ALTER TABLE call_by_number_day ADD caller_declared_application text",
            "ALTER TABLE call_by_number_day ADD caller_declared_version text",
            "ALTER TABLE call_by_number_day ADD caller_declared_by text",
            "ALTER TABLE call_by_number_day ADD callee_declared_application text",
            "ALTER TABLE call_by_number_day ADD callee_declared_version text",
            "ALTER TABLE call_by_number_day ADD callee_declared_by text",
            "ALTER TABLE call_by_hour ADD caller_declared_application text",
            "ALTER TABLE call_by_hour ADD caller_declared_version text",
            "ALTER TABLE call_by_hour ADD caller_declared_by text",
            "ALTER TABLE call_by_hour ADD callee_declared_application text",
            "ALTER TABLE call_by_hour ADD callee_declared_version text",
            "ALTER TABLE call_by_hour ADD callee_declared_by text",
        ),
    ),
    # What the console asks: counts by minute, calls of a campaign, calls by action.
    Migration(
        sqlite=(
            "CREATE TABLE activity (kind TEXT NOT NULL, minute INTEGER NOT NULL, name TEXT NOT NULL,"
            " number INTEGER NOT NULL, PRIMARY KEY (kind, minute, name)) STRICT, WITHOUT ROWID",
            "INSERT INTO activity SELECT 'flow', decided_at_ns / 60000000000, application, count(*) FROM verdict"
            " WHERE final = 1 GROUP BY 2, 3",
            "INSERT INTO activity SELECT 'call', started_ns / 60000000000, action, count(*) FROM call"
            " WHERE phase = 'end' GROUP BY 2, 3",
            "CREATE TRIGGER count_verdict AFTER INSERT ON verdict WHEN new.final = 1 BEGIN"
            " INSERT INTO activity VALUES ('flow', new.decided_at_ns / 60000000000, new.application, 1)"
            " ON CONFLICT DO UPDATE SET number = number + 1; END",
            "CREATE TRIGGER count_call AFTER INSERT ON call WHEN new.phase = 'end' BEGIN"
            " INSERT INTO activity VALUES ('call', new.started_ns / 60000000000, new.action, 1)"
            " ON CONFLICT DO UPDATE SET number = number + 1; END",
            "CREATE INDEX call_by_campaign ON call (campaign, started_ns)",
            "CREATE INDEX call_by_action ON call (action, started_ns)",
        ),
    ),
    # What the console asks: of Cassandra what was written when, counts by hour, the calls of a group (ADR 0016); of
    # SQLite the latest flows of a busy host.
    Migration(
        sqlite=(
            "DROP INDEX verdict_by_destination",
            "CREATE INDEX verdict_by_destination ON verdict (dst_ip, decided_at_ns)",
            "CREATE INDEX verdict_by_source ON verdict (src_ip, decided_at_ns)",
        ),
        cassandra=(
            "CREATE TABLE written (kind text, day int, unit text, at bigint, writer text, mark bigint,"
            " PRIMARY KEY ((kind, day), unit, at, writer)) WITH default_time_to_live = {verdict_ttl_s}",
            "CREATE TABLE activity_of_hour (kind text, day int, hour int, counts text,"
            " PRIMARY KEY ((kind, day), hour)) WITH default_time_to_live = {verdict_ttl_s}",
            "CREATE TABLE call_by_group (kind text, name text, day int, bucket int,"
            " started_ns bigint, call_id text, from_tag text,"
            " PRIMARY KEY ((kind, name, day, bucket), started_ns, call_id, from_tag))"
            " WITH CLUSTERING ORDER BY (started_ns DESC, call_id ASC, from_tag ASC)"
            " AND default_time_to_live = {call_ttl_s}",
        ),
        cassandra_earlier=("call", "ungrouped_call"),
    ),
    # The habits of the sender as a text (docs/how/fingerprint.md).
    Migration(
        sqlite=("ALTER TABLE verdict ADD COLUMN fingerprint TEXT",),
        cassandra=(
            "ALTER TABLE verdict_by_flow ADD fingerprint text",
            "ALTER TABLE verdict_by_host_day ADD fingerprint text",
            "ALTER TABLE verdict_by_application_hour ADD fingerprint text",
        ),
    ),
    # Votes that say neither spam nor not spam.
    Migration(
        sqlite=("ALTER TABLE feedback ADD COLUMN kind TEXT",),
        cassandra=("ALTER TABLE feedback ADD kind text",),
    ),
    # Calls of media alone, most of all calls, have no numbers and no campaign, and are allowed: they stay out of the
    # indexes. Counts are kept by whoever stores rows (sqlite_judgements.py).
    Migration(
        sqlite=(
            "DROP TRIGGER count_verdict",
            "DROP TRIGGER count_call",
            "DROP INDEX call_by_caller",
            "DROP INDEX call_by_callee",
            "DROP INDEX call_by_spam",
            "DROP INDEX call_by_campaign",
            "DROP INDEX call_by_action",
            "CREATE INDEX call_by_caller ON call (caller, started_ns) WHERE caller <> ''",
            "CREATE INDEX call_by_callee ON call (callee, started_ns) WHERE callee <> ''",
            "CREATE INDEX call_by_spam ON call (started_ns) WHERE spam = 1",
            "CREATE INDEX call_by_campaign ON call (campaign, started_ns) WHERE campaign <> ''",
            "CREATE INDEX call_by_action ON call (action, started_ns) WHERE action <> 'allow'",
        ),
    ),
    # Fewer partitions a flow (ADR 0018): an hour's hosts share some, and of a call of media alone the row by Call-ID is
    # no more than its place in call_by_hour.
    Migration(
        cassandra=(
            "CREATE TABLE verdict_by_host_hour (hour int, bucket int, host text, decided_at_ns bigint,"
            " src_ip text, src_port int, dst_ip text, dst_port int, ssrc bigint, first_seen_ns bigint,"
            " final boolean, k int, model text, application text, best_application text, confidence double,"
            " started_midflow boolean, last_seen_ns bigint, reason text, model_digest text, sequence bigint,"
            " based_on text, engine text, engine_confidence double, declared_application text,"
            " declared_version text, declared_by text, fingerprint text,"
            " PRIMARY KEY ((hour, bucket), host, decided_at_ns, src_ip, src_port, dst_ip, dst_port,"
            " ssrc, first_seen_ns, final, k, model))"
            " WITH CLUSTERING ORDER BY (host ASC, decided_at_ns DESC, src_ip ASC, src_port ASC, dst_ip ASC,"
            " dst_port ASC, ssrc ASC, first_seen_ns ASC, final DESC, k DESC, model DESC)"
            " AND default_time_to_live = {verdict_ttl_s}",
            "CREATE TABLE media_call_by_id (hour int, bucket int, call_id text, started_ns bigint,"
            " PRIMARY KEY ((hour, bucket), call_id, started_ns)) WITH default_time_to_live = {call_ttl_s}",
        ),
        cassandra_earlier=("verdict", "verdict_by_host_day"),
    ),
    # Verdicts are compacted by the time when they were written, so that files expire whole (ADR 0021).
    Migration(
        cassandra=(
            "ALTER TABLE verdict_by_flow WITH compaction = {{'class': 'TimeWindowCompactionStrategy',"
            " 'compaction_window_unit': 'HOURS', 'compaction_window_size': {verdict_window_h}}}",
            "ALTER TABLE verdict_by_host_hour WITH compaction = {{'class': 'TimeWindowCompactionStrategy',"
            " 'compaction_window_unit': 'HOURS', 'compaction_window_size': {verdict_window_h}}}",
            "ALTER TABLE verdict_by_application_hour WITH compaction = {{'class': 'TimeWindowCompactionStrategy',"
            " 'compaction_window_unit': 'HOURS', 'compaction_window_size': {verdict_window_h}}}",
        ),
    ),
)
