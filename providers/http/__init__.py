"""HTTP to the outside: the only place where the product speaks it.

client     one session a thread, deadlines, caps, errors by what to do next
addresses  from a host's name to a judged connection
hosts      which hosts a result may come from
deadlines  a deadline for the whole call, not only for each read
downloads  results, fetched from wherever a provider says they lie
untrusted  a small POST to an address that a visitor gave
"""
