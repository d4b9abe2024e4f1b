"""The whole product as one process tree: `manage.py up`.

    up (runner) ──┬── valkey            first up, last down
                  ├── set-up            migrate, collect static files, seed; ends before the next begin
                  ├── studio, simulator, worker-*, reconcile
                  ├── web               last up, first down
                  └── guard             kills what is left when `up` itself was killed

    children   one child: start, watch, start again with backoff, stop
    liveness   a child that hangs
    guard      sessions of processes, and the process that outlives the supervisor to end them
    logs       prefixed lines on the terminal, rotated files in VAR_DIR/log
    rundir     VAR_DIR/run: the lock, the pids, the addresses that were chosen
    plan       which children this environment needs, in which order
    valkey     the embedded Valkey's configuration
    runner     starts everything in order, waits for /readyz, drains

Every child leads its own session, so Ctrl-C in the terminal reaches `up` alone, and whatever a child leaves behind
can be found and ended.

It is our own because honcho, circus and supervisord, which were looked at, each lack what `up` needs: none starts
children in the order of their readiness, none kills a child that hangs by its missing heartbeat, and none leaves
nothing behind when it is itself ended by kill -9 (docs/decisions/0006-own-supervisor.md).
"""
