"""Figures by the minute, so that pages and alerts read a few small rows however many jobs there are.

histograms  times in buckets that can be added up
arithmetic  the figures of one minute, read from the jobs and attempts of that minute
writer      writes the minutes that are due, once per cluster
windows     sums over the newest minutes
day         sums since midnight
"""

from .windows import WINDOW, Flow, ProviderFlow, flow, newest, over
from .writer import EVERY, Writer

__all__ = ["EVERY", "WINDOW", "Flow", "ProviderFlow", "Writer", "flow", "newest", "over"]
