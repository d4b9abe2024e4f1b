"""At most three mails a day to one address: whoever orders a film may write down somebody else's.

Counted by a keyed digest of the address, in rows of their own that no job's erasure resets; they last two days.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from django.db.models import F
from django.utils.crypto import salted_hmac

from .models import MailCount

MOST_A_DAY = 3


def take(address: str, *, now: datetime) -> bool:
    """Count a mail to an address and return whether it may be sent. Call it in a transaction, once a mail."""
    today = now.date()
    MailCount.objects.filter(day__lt=today - timedelta(days=1)).delete()
    recipient = digest(address)
    MailCount.objects.get_or_create(recipient=recipient, day=today)
    mine = MailCount.objects.filter(recipient=recipient, day=today, count__lt=MOST_A_DAY)
    return bool(mine.update(count=F("count") + 1))


def digest(address: str) -> str:
    """Return what stands for a mailbox; `ada+films@…` is Ada's too, and a host is one in both of its spellings."""
    name, _, host = address.strip().lower().rpartition("@")
    with contextlib.suppress(UnicodeError):
        host = host.encode("idna").decode("ascii")
    return salted_hmac("notifications.mail_limits", f"{name.partition('+')[0]}@{host}", algorithm="sha256").hexdigest()
