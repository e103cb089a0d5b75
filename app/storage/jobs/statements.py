"""The SQL of the job store, in what SQLite and PostgreSQL have in common."""

SUBMIT = """
    INSERT INTO darkroom_requests (
        request_id, tenant, variant, state, format, request, view, submitted_s, deadline_s, keep_s, worker, fence,
        leased_until_s, has_begun, attempts, completed_s, expires_s, once_key, fingerprint
    ) VALUES (
        :request_id, :tenant, :variant, :state, :format, :request, :view, :submitted_s, :deadline_s, :keep_s, :worker,
        1, :leased_until_s, 0, 0, :completed_s, :expires_s, :once_key, :fingerprint
    ) ON CONFLICT DO NOTHING RETURNING request_id
"""

SUBMITTED = "SELECT view, fence FROM darkroom_requests WHERE request_id = :request_id"

SAME_KEY = """
    SELECT view, fingerprint FROM darkroom_requests
    WHERE tenant = :tenant AND once_key = :once_key AND (expires_s IS NULL OR expires_s >= :now_s)
"""

CLAIM = """
    WITH free AS MATERIALIZED (
        SELECT request_id FROM darkroom_requests
        WHERE state <> 'completed' AND leased_until_s < :now_s AND format <= :format
        ORDER BY deadline_s LIMIT :most {skip_locked}
    )
    UPDATE darkroom_requests SET worker = :worker, fence = fence + 1, leased_until_s = :leased_until_s,
        attempts = attempts + has_begun, has_begun = 0
    WHERE request_id IN (SELECT request_id FROM free)
    RETURNING request_id, fence, request, view, submitted_s, attempts, deadline_s
"""

RENEW = """
    UPDATE darkroom_requests SET leased_until_s = :leased_until_s
    WHERE worker = :worker AND state <> 'completed' AND leased_until_s > 0 RETURNING request_id, fence
"""

RELEASE = """
    UPDATE darkroom_requests SET leased_until_s = 0
    WHERE request_id = :request_id AND fence = :fence AND state <> 'completed'
"""

PUBLISH = """
    UPDATE darkroom_requests SET state = :state, view = :view,
        has_begun = CASE WHEN :has_begun = 1 THEN 1 ELSE has_begun END
    WHERE request_id = :request_id AND fence = :fence AND state <> 'completed'
"""

COMPLETE = """
    UPDATE darkroom_requests SET state = 'completed', view = :view, request = NULL,
        completed_s = :now_s, expires_s = :now_s + keep_s
    WHERE request_id = :request_id AND fence = :fence AND state <> 'completed' RETURNING request_id
"""

GET = """
    SELECT view, fence, request, CASE WHEN state = 'queued' THEN (
        SELECT count(*) FROM darkroom_requests AS ahead
        WHERE ahead.state = 'queued' AND ahead.variant = asked.variant AND ahead.deadline_s < asked.deadline_s
    ) END
    FROM darkroom_requests AS asked
    WHERE request_id = :request_id AND tenant = coalesce(CAST(:tenant AS TEXT), tenant)
        AND (expires_s IS NULL OR expires_s >= :now_s)
"""

FORGET = """
    DELETE FROM darkroom_requests WHERE state = 'completed' AND (
        expires_s < :now_s OR completed_s < (
            SELECT completed_s FROM darkroom_requests WHERE state = 'completed'
            ORDER BY completed_s DESC LIMIT 1 OFFSET :beyond
        )
    )
"""

PUT_MESSAGE = """
    INSERT INTO darkroom_outbox (message_id, destination, body, due_s, attempts)
    VALUES (:message_id, :destination, :body, :due_s, :attempts) ON CONFLICT DO NOTHING
"""

PUT_MESSAGE_OF_RESULT = """
    INSERT INTO darkroom_outbox (message_id, destination, body, due_s, attempts)
    SELECT :message_id, :destination, :body, :due_s, :attempts
    WHERE EXISTS (
        SELECT 1 FROM darkroom_requests WHERE request_id = :request_id AND fence = :fence AND view = :view
    ) ON CONFLICT DO NOTHING
"""

DUE_MESSAGES = """
    WITH due AS MATERIALIZED (
        SELECT message_id FROM darkroom_outbox WHERE due_s <= :now_s ORDER BY due_s LIMIT :most {skip_locked}
    )
    UPDATE darkroom_outbox SET due_s = CASE WHEN attempts = 0 THEN :again_s ELSE :retry_s END
    WHERE message_id IN (SELECT message_id FROM due)
    RETURNING message_id, destination, body, due_s, attempts
"""

DELIVERED = "DELETE FROM darkroom_outbox WHERE message_id = :message_id"

FAILED = """
    UPDATE darkroom_outbox SET due_s = :retry_at_s, attempts = attempts + 1 WHERE message_id = :message_id
"""
