"""The web server: daphne with the limits that a public upload needs, and Django's WSGI handler behind it.

daphne_server  start, limits, draining
protocols      requests and sockets, guarded
bridge         Django's WSGI handler on a fixed set of threads
limits         how much a request may bring, by address
busy           the 503 that is given before Django is asked
database       how long a request waits for the database
drain, log     on the way out; what is logged of a request
"""
