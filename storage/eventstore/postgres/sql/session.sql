-- name: session
-- The settings of each connection. $1: how long a statement may take, $2: how long a transaction may
-- idle, both in milliseconds. A process that was paused in the middle of an append must not hold up all
-- others. A commit waits for the disk even where the server's default is otherwise. The plans of statements are
-- kept for long, and those that are made while a table is small must serve when it is big: indexes are
-- used where there are any.
SELECT set_config('statement_timeout', $1, false),
       set_config('lock_timeout', $1, false),
       set_config('idle_in_transaction_session_timeout', $2, false),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
       set_config('enable_seqscan', 'off', false),
       set_config('enable_hashjoin', 'off', false),
       set_config('enable_mergejoin', 'off', false),
       set_config('jit', 'off', false);
