"""The process that needs no Redis: whatever is overdue is found here and put back to work.

sweep        the table of everything that can stand still, and the loop over it
orphans      rows that no other step would touch again
clock_skew   times that only a clock that went ahead can have written
maintenance  secrets learned, models kept awake
retention    photos, films and rows that have to go
"""
