-- Whether this session has, from now on, the lock of the one process that drains ledger_change. The server ends
-- a session that holds it and says nothing: its process may stand still.
SELECT pg_try_advisory_lock(7092137005814920) AND set_config('idle_session_timeout', '2s', false) <> ''
