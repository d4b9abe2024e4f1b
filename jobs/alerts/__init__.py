"""Alerts to people, by e-mail and by a signed webhook: once when something is wrong, and once when it is over.

rules     what is worth an alert, read from the same facts as the staff's first page
watch     opens and ends alerts, and writes the messages about them
daily     what happened on a day, once a day
messages  sends what is written, once per cluster
"""

from .daily import write_report
from .messages import channels, send_due, write
from .rules import RULES, Rule, found_in
from .watch import watch

__all__ = ["RULES", "Rule", "channels", "found_in", "send_due", "watch", "write", "write_report"]
