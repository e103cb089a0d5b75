"""The schema as numbered steps; each is applied once, in order, and never changed afterwards."""

from app.errors import ConfigurationError

CREATE_LEDGER = "CREATE TABLE IF NOT EXISTS darkroom_migrations (number BIGINT PRIMARY KEY)"
APPLIED = "SELECT coalesce(max(number), 0) FROM darkroom_migrations"
RECORD = "INSERT INTO darkroom_migrations (number) VALUES (:number)"

_REQUESTS = (
    """
    CREATE TABLE darkroom_requests (
        request_id TEXT PRIMARY KEY,
        tenant TEXT NOT NULL,
        variant TEXT NOT NULL,
        state TEXT NOT NULL,
        format BIGINT NOT NULL,
        request TEXT,
        view TEXT NOT NULL,
        submitted_s DOUBLE PRECISION NOT NULL,
        deadline_s DOUBLE PRECISION NOT NULL,
        keep_s DOUBLE PRECISION NOT NULL,
        worker TEXT NOT NULL,
        fence BIGINT NOT NULL,
        leased_until_s DOUBLE PRECISION NOT NULL,
        has_begun BIGINT NOT NULL,
        attempts BIGINT NOT NULL,
        completed_s DOUBLE PRECISION,
        expires_s DOUBLE PRECISION,
        once_key TEXT,
        fingerprint TEXT,
        UNIQUE (tenant, once_key)
    )
    """,
    "CREATE INDEX darkroom_leases ON darkroom_requests (leased_until_s) WHERE state <> 'completed'",
    "CREATE INDEX darkroom_queues ON darkroom_requests (variant, deadline_s) WHERE state = 'queued'",
    "CREATE INDEX darkroom_expiry ON darkroom_requests (expires_s) WHERE state = 'completed'",
    "CREATE INDEX darkroom_results ON darkroom_requests (completed_s) WHERE state = 'completed'",
)
_OUTBOX = (
    """
    CREATE TABLE darkroom_outbox (
        message_id TEXT PRIMARY KEY,
        destination TEXT NOT NULL,
        body TEXT NOT NULL,
        due_s DOUBLE PRECISION NOT NULL,
        attempts BIGINT NOT NULL
    )
    """,
    "CREATE INDEX darkroom_due ON darkroom_outbox (due_s)",
)
_TENANTS = (
    "UPDATE darkroom_requests SET tenant = 'local' WHERE tenant = ''",
    "CREATE INDEX darkroom_owners ON darkroom_requests (tenant, request_id)",
    """
    CREATE TABLE darkroom_keys (
        key_id TEXT PRIMARY KEY,
        tenant TEXT NOT NULL,
        digest TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_s DOUBLE PRECISION NOT NULL,
        expires_s DOUBLE PRECISION,
        revoked_s DOUBLE PRECISION
    )
    """,
    """
    CREATE TABLE darkroom_usage (
        tenant TEXT NOT NULL,
        worker TEXT NOT NULL,
        start_s BIGINT NOT NULL,
        requests BIGINT NOT NULL,
        gpu_ms DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (tenant, worker, start_s)
    )
    """,
    "CREATE INDEX darkroom_used ON darkroom_usage (tenant, start_s)",
    """
    CREATE TABLE darkroom_presence (
        tenant TEXT NOT NULL,
        worker TEXT NOT NULL,
        under_way BIGINT NOT NULL,
        until_s DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (tenant, worker)
    )
    """,
    """
    CREATE TABLE darkroom_files (
        file_key TEXT PRIMARY KEY,
        tenant TEXT NOT NULL,
        byte_count BIGINT NOT NULL,
        expires_s DOUBLE PRECISION
    )
    """,
    "CREATE INDEX darkroom_footprints ON darkroom_files (tenant)",
    """
    CREATE TABLE darkroom_audit (
        entry_id TEXT PRIMARY KEY,
        at_s DOUBLE PRECISION NOT NULL,
        tenant TEXT NOT NULL,
        key_id TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        outcome TEXT NOT NULL,
        origin TEXT NOT NULL
    )
    """,
    "CREATE INDEX darkroom_audited ON darkroom_audit (at_s)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_REQUESTS, _OUTBOX, _TENANTS)


def missing(applied: int) -> list[tuple[int, tuple[str, ...]]]:
    """The numbered steps after the last one applied; raises ConfigurationError for a schema of a newer version."""
    if applied > len(MIGRATIONS):
        raise ConfigurationError(f"the job store has schema {applied}; this version knows {len(MIGRATIONS)}")
    return list(enumerate(MIGRATIONS, start=1))[applied:]
