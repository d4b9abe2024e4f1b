"""WaveSpeed, Replicate and fal on one port, with their webhooks, their limits and their bad days.

The README beside this file shows how it is used.

    server       HTTP: from a call to its vendor, past the faults, to an answer
    control      the control API
    simulator    the whole without HTTP: three vendors, one ledger, one messenger
    vendor       what the vendors have in common; wavespeed, replicate, fal: their wire formats
    predictions  the life of a prediction: slots, queue, cold starts
    behaviour    what a scenario may say
    faults       what can go wrong, and what goes wrong next
    webhooks     webhooks out; signing: their signatures
    results      films handed out, slow and broken answers; film: the film; uploads: files that were sent
    ledger       what was asked and charged
    bench        what a prediction costs
"""
