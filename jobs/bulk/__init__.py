"""One action on many jobs, with brakes.

actions  what staff may do to a job
plan     what an action on these jobs would mean, before anything is done
control  start, pause, go on, change the rate, stop
brakes   what pauses an operation without a person
sums     what became of the jobs that it made
work     the next jobs of each operation, at its rate; called by reconcile
"""

from .control import go_on, pause, set_rate, start, stop
from .plan import MOST, Plan, plan_of
from .work import work_due

__all__ = ["MOST", "Plan", "go_on", "pause", "plan_of", "set_rate", "start", "stop", "work_due"]
