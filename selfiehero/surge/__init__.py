"""`manage.py surge`: the evening it goes viral, rehearsed on the whole product, and what came of it.

plan      how many people come, second by second
visitors  what each of them does over HTTP and sockets, and what they saw
staging   the product and the simulated clouds, started for the rehearsal; CPU and memory by process
summary   figures as JSON, and the same as a page with charts

It is a client of the public API and knows nothing of the product's inside: a staging site can be rehearsed too.
"""
