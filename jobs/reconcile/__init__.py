"""The reconcile process: finds whatever is overdue and repairs it. It needs no Redis.

sweep        the table of everything that can get stuck, and the loop over it
orphans      rows that no other step would touch again
clock_skew   times that only a fast clock can have written
maintenance  keeps webhook secrets fresh and models warm
retention    erases photos, films and rows when their time is over
"""
