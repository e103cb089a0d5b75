"""The SQL of the tenant store, in what SQLite and PostgreSQL have in common. No statement changes the audit log."""

PUT_KEY = """
    INSERT INTO darkroom_keys (key_id, tenant, digest, scopes, created_s, expires_s, revoked_s)
    VALUES (:key_id, :tenant, :digest, :scopes, :created_s, :expires_s, :revoked_s)
    ON CONFLICT (key_id) DO UPDATE SET tenant = excluded.tenant, digest = excluded.digest, scopes = excluded.scopes,
        created_s = excluded.created_s, expires_s = excluded.expires_s, revoked_s = excluded.revoked_s
"""

_KEY_COLUMNS = "key_id, tenant, digest, scopes, created_s, expires_s, revoked_s"

KEY = f"SELECT {_KEY_COLUMNS} FROM darkroom_keys WHERE key_id = :key_id"

KEYS = f"""
    SELECT {_KEY_COLUMNS} FROM darkroom_keys
    WHERE tenant = coalesce(CAST(:tenant AS TEXT), tenant) ORDER BY created_s, key_id
"""

PUT_USE = """
    INSERT INTO darkroom_usage (tenant, worker, start_s, requests, gpu_ms)
    VALUES (:tenant, :worker, :start_s, :requests, :gpu_ms)
    ON CONFLICT (tenant, worker, start_s) DO UPDATE SET requests = excluded.requests, gpu_ms = excluded.gpu_ms
"""

USED_ELSEWHERE = """
    SELECT start_s, sum(requests), sum(gpu_ms) FROM darkroom_usage
    WHERE tenant = :tenant AND start_s >= :since_s AND worker <> :worker GROUP BY start_s ORDER BY start_s
"""

PUT_PRESENCE = """
    INSERT INTO darkroom_presence (tenant, worker, under_way, until_s)
    VALUES (:tenant, :worker, :under_way, :until_s)
    ON CONFLICT (tenant, worker) DO UPDATE SET under_way = excluded.under_way, until_s = excluded.until_s
"""

UNDER_WAY_ELSEWHERE = """
    SELECT coalesce(sum(under_way), 0) FROM darkroom_presence
    WHERE tenant = :tenant AND worker <> :worker AND until_s > :now_s
"""

PUT_FILE = """
    INSERT INTO darkroom_files (file_key, tenant, byte_count, expires_s)
    VALUES (:file_key, :tenant, :byte_count, :expires_s) ON CONFLICT DO NOTHING
"""

FOOTPRINT = """
    SELECT coalesce(sum(byte_count), 0), min(expires_s) FROM darkroom_files
    WHERE tenant = :tenant AND (expires_s IS NULL OR expires_s > :now_s)
"""

OWNER = "SELECT tenant FROM darkroom_files WHERE file_key = :file_key"

FORGET_FILE = "DELETE FROM darkroom_files WHERE file_key = :file_key"

PUT_ENTRY = """
    INSERT INTO darkroom_audit (entry_id, at_s, tenant, key_id, action, subject, outcome, origin)
    VALUES (:entry_id, :at_s, :tenant, :key_id, :action, :subject, :outcome, :origin) ON CONFLICT DO NOTHING
"""

ENTRIES = """
    SELECT entry_id, at_s, tenant, key_id, action, subject, outcome, origin FROM darkroom_audit
    WHERE tenant = coalesce(CAST(:tenant AS TEXT), tenant) AND action = coalesce(CAST(:action AS TEXT), action)
        AND at_s >= :since_s
    ORDER BY at_s DESC, entry_id DESC LIMIT :most
"""

FORGET_USES = "DELETE FROM darkroom_usage WHERE start_s < :before_s"

FORGET_PRESENCES = "DELETE FROM darkroom_presence WHERE until_s <= :now_s"

FORGET_FILES = "DELETE FROM darkroom_files WHERE expires_s <= :now_s"
