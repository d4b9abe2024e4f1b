"""Outgoing HTTP. No other package of the product makes HTTP calls.

client     calls to vendors' APIs: one session per thread, deadlines, size limits, typed errors
addresses  resolves a host, checks all its addresses and connects to one of them
hosts      the hosts that a result may be downloaded from
deadlines  connections with one deadline for the whole call
downloads  downloads of results
untrusted  a small POST to a URL that a visitor gave
"""
