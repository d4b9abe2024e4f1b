"""The lanes: prepare, dispatch and collect, which `jobs.queue.engine` runs, and what they share.

prepare              photos: decoded, cleaned, stored
dispatch             jobs to providers with room; submitting: one POST, and what follows when its answer is lost
collect              finished films into our storage; fetching: download, probe, poster
ingest               applies what a provider reports, by webhook or poll
polling              calls to providers outside the lanes: polls, look-ups, cancel and delete calls
pumps, worker        the pumps of a process; the RQ worker that runs them
unreferenced_files   which stored files an outcome leaves without a row
"""
