"""The fault rig: real processes under load, faults by a seeded plan, and the laws that must hold afterwards.

    python -m tests.chaos --seed 1 --minutes 10 --database sqlite

| file | what it decides |
| --- | --- |
| `plan` | which fault comes when; the same seed and length give the same plan |
| `faults` | what each fault does, and how it is healed |
| `stage` | which processes there are, on which disks, behind which front |
| `cast` | how a process that died is started again, and who outlived its parent |
| `load` | what visitors do, and the rig's own ledger of every answer |
| `checks` | the laws |
| `storm` | one run from the first process to the last check |
| `report` | what is printed |
"""
