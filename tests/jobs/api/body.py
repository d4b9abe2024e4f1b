"""What the body of a job holds, as the contract has it."""

KEYS = {
    "id", "status", "stage", "progress", "look", "hero_name", "queue", "failure", "seq",
    "created_at", "finished_at", "erase_at", "erased_at", "links",
}  # fmt: skip
LINKS = {"self", "events", "cancel", "page", "socket", "stream", "poster", "video", "share"}
