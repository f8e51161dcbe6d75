"""The tables of the SQLite store, as a list of migrations: entry i brings a store from version i to i + 1.

The entries here are those of 0.1.0 and never change; migrations.py goes on from there. docs/use/store.md explains
the tables to those who query them with their own tools.
"""

from callprint.stores.migrations import SINCE_0_1_0

APPLICATION_ID = 0x43505254  # "CPRT" in the file's header: tells a callprint store from other SQLite files

_VERDICT_1 = """
CREATE TABLE verdict (
    src_ip           TEXT    NOT NULL,
    src_port         INTEGER NOT NULL,
    dst_ip           TEXT    NOT NULL,
    dst_port         INTEGER NOT NULL,
    ssrc             INTEGER NOT NULL,
    first_seen_ns    INTEGER NOT NULL,
    k                INTEGER NOT NULL,
    final            INTEGER NOT NULL CHECK (final IN (0, 1)),
    model            TEXT    NOT NULL,
    application      TEXT    NOT NULL,
    best_application TEXT,
    confidence       REAL    NOT NULL,
    started_midflow  INTEGER NOT NULL CHECK (started_midflow IN (0, 1)),
    last_seen_ns     INTEGER NOT NULL,
    decided_at_ns    INTEGER NOT NULL,
    reason           TEXT,
    PRIMARY KEY (src_ip, src_port, dst_ip, dst_port, ssrc, first_seen_ns, k, final, model)
) STRICT, WITHOUT ROWID
"""

_FLOW_1 = """
CREATE TABLE flow (
    src_ip         TEXT    NOT NULL,
    src_port       INTEGER NOT NULL,
    dst_ip         TEXT    NOT NULL,
    dst_port       INTEGER NOT NULL,
    ssrc           INTEGER NOT NULL,
    first_seen_ns  INTEGER NOT NULL,
    payload_type   INTEGER NOT NULL,
    codec          TEXT    NOT NULL,
    clock_rate_hz  INTEGER NOT NULL,
    packets        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    long_packets   INTEGER NOT NULL,
    rtcp_packets   INTEGER NOT NULL,
    expected       INTEGER NOT NULL,
    lost           INTEGER NOT NULL,
    duplicates     INTEGER NOT NULL,
    reordered      INTEGER NOT NULL,
    jitter_ms      REAL    NOT NULL,
    last_seen_ns   INTEGER NOT NULL,
    ended          TEXT    NOT NULL,
    PRIMARY KEY (src_ip, src_port, dst_ip, dst_port, ssrc, first_seen_ns)
) STRICT, WITHOUT ROWID
"""

_CALL_1 = """
CREATE TABLE call (
    call_id            TEXT    NOT NULL,
    from_tag           TEXT    NOT NULL,
    started_ns         INTEGER NOT NULL,
    phase              TEXT    NOT NULL CHECK (phase IN ('setup', 'end')),
    judged_at_ns       INTEGER NOT NULL,
    detector           TEXT    NOT NULL,
    caller             TEXT    NOT NULL,
    callee             TEXT    NOT NULL,
    ringing_ns         INTEGER,
    answered_ns        INTEGER,
    ended_ns           INTEGER,
    state              TEXT    NOT NULL,
    final_status       INTEGER,
    ended_by           TEXT,
    caller_application TEXT,
    callee_application TEXT,
    caller_flows       TEXT    NOT NULL,
    callee_flows       TEXT    NOT NULL,
    caller_codec       TEXT,
    callee_codec       TEXT,
    caller_user_agent  TEXT,
    callee_user_agent  TEXT,
    attestation        TEXT    NOT NULL,
    campaign           TEXT    NOT NULL,
    signalling_ip      TEXT    NOT NULL,
    spam_score         REAL,
    spam               INTEGER CHECK (spam IN (0, 1)),
    action             TEXT    NOT NULL,
    reason             TEXT    NOT NULL,
    features           TEXT    NOT NULL,
    PRIMARY KEY (call_id, from_tag, started_ns, phase, judged_at_ns, detector)
) STRICT, WITHOUT ROWID
"""

_FEEDBACK_1 = """
CREATE TABLE feedback (
    caller      TEXT    NOT NULL,
    user        TEXT    NOT NULL,
    given_at_ns INTEGER NOT NULL,
    call_id     TEXT    NOT NULL,
    from_tag    TEXT    NOT NULL,
    spam        INTEGER NOT NULL CHECK (spam IN (0, 1)),
    PRIMARY KEY (caller, user, given_at_ns, call_id, from_tag, spam)
) STRICT, WITHOUT ROWID
"""

_ALLOWED_1 = """
CREATE TABLE allowed (
    caller      TEXT    NOT NULL PRIMARY KEY,
    user        TEXT    NOT NULL,
    given_at_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""

# Evidence of unknown flows, for research: written only when it is asked for, because payload can hold voice.
_UNKNOWN_EVIDENCE_2 = """
CREATE TABLE unknown_evidence (
    src_ip         TEXT    NOT NULL,
    src_port       INTEGER NOT NULL,
    dst_ip         TEXT    NOT NULL,
    dst_port       INTEGER NOT NULL,
    ssrc           INTEGER NOT NULL,
    first_seen_ns  INTEGER NOT NULL,
    k              INTEGER NOT NULL,
    model          TEXT    NOT NULL,
    decided_at_ns  INTEGER NOT NULL,
    evidence       BLOB    NOT NULL,
    expires_at_ns  INTEGER NOT NULL,
    PRIMARY KEY (src_ip, src_port, dst_ip, dst_port, ssrc, first_seen_ns, k, model)
) STRICT
"""

# What the topology's judge of calls knows (docs/operate/guarantees.md). The embedded path does not use it.
_CALL_STATE_3 = """
CREATE TABLE call_state (
    site          INTEGER NOT NULL PRIMARY KEY,
    number        INTEGER NOT NULL,
    state         BLOB    NOT NULL,
    written_at_ns INTEGER NOT NULL
) STRICT
"""

_CALL_JOURNAL_3 = """
CREATE TABLE call_journal (
    site   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    entry  BLOB    NOT NULL,
    PRIMARY KEY (site, number)
) STRICT, WITHOUT ROWID
"""

# Every model that gave a verdict, with its card.
_MODEL_4 = """
CREATE TABLE model (
    name          TEXT    NOT NULL,
    digest        TEXT    NOT NULL,
    card          TEXT    NOT NULL,
    first_used_ns INTEGER NOT NULL,
    PRIMARY KEY (name, digest)
) STRICT, WITHOUT ROWID
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT",
        "INSERT INTO schema_version VALUES (0)",
        _VERDICT_1,
        "CREATE INDEX verdict_by_destination ON verdict (dst_ip)",
        "CREATE INDEX verdict_by_application ON verdict (application, decided_at_ns)",
        "CREATE INDEX verdict_by_time ON verdict (decided_at_ns)",
        _FLOW_1,
        _CALL_1,
        "CREATE INDEX call_by_time ON call (started_ns)",
        "CREATE INDEX call_by_caller ON call (caller, started_ns)",
        "CREATE INDEX call_by_callee ON call (callee, started_ns)",
        "CREATE INDEX call_by_spam ON call (spam, started_ns)",
        _FEEDBACK_1,
        _ALLOWED_1,
    ),
    (
        _UNKNOWN_EVIDENCE_2,
        "CREATE INDEX unknown_evidence_by_time ON unknown_evidence (decided_at_ns)",
        "CREATE INDEX unknown_evidence_by_expiry ON unknown_evidence (expires_at_ns)",
    ),
    (_CALL_STATE_3, _CALL_JOURNAL_3),
    (_MODEL_4,),
    *(migration.sqlite for migration in SINCE_0_1_0),
)
