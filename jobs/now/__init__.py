"""The present state of the product for those who run it: what is wrong, what to do next, and the figures that say so.

facts     everything that is read, from the rollups and a few small tables
forecast  when the queue is empty, now and after a change of limits
other_limits  what a provider would deliver within other limits, for its page
house     Redis, database, disk and storage, measured by this process
problems  what is not as it should be, with the next step, the worst first
metrics   the same for Prometheus
page      the same as words for the staff's first page, and as JSON for the open page
"""

from .facts import Capacity, Facts, read, read_capacity
from .page import Page, page_of

__all__ = ["Capacity", "Facts", "Page", "page_of", "read", "read_capacity"]
