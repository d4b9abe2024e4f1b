"""The lanes: prepare, dispatch, collect. `jobs.queue.engine` runs any of them; each module says what its lane does.

prepare              photos: decoded, cleaned, stored
dispatch             jobs to providers with room; submitting: one POST and what a lost answer means
collect              finished films into our storage; fetching: download, probe, poster
ingest               what news from a provider changes
polling              questions at providers outside the lanes: polls, look-ups, cancel and delete calls
pumps, worker        the pumps of a process; the RQ worker that runs them
unreferenced_files   files that a lane brought and its outcome does not want
"""
