"""WaveSpeed, Replicate and fal on one port: their APIs, webhooks, limits and faults.

The README beside this file shows how to use it.

    server       HTTP: routes a call to its vendor, applies faults, sends the response
    control      the control API
    simulator    the three vendors and their scenario, without HTTP
    vendor       the base class of the vendors; wavespeed, replicate, fal: their wire formats
    context      what the vendors share: ledger, webhooks, film, seed, clock
    predictions  the states of a prediction: slots, queue, cold starts
    behaviour    the contents of a scenario
    faults       all faults, and the choice of the next one
    webhooks     outgoing webhooks; signing: their signatures; outgoing: the HTTP client
    results      film downloads, connection faults; film: the film; uploads, photos: files in
    ledger       a record of every call and charge
    calls, responses, wire  a call, a response, and HTTP/1.1
    bench        CPU time per prediction
"""
