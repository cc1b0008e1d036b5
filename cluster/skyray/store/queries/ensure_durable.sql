-- A transition is durable before anything acts on it, also on a server whose default is to risk the last moment.
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
