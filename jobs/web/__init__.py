"""The views for browsers, crawlers and providers. Each translates a request and calls the core once.

pages     the form, the wait, the reveal, my heroes
handover  opening a job on a phone, by link or QR code
sharing   public pages of shared films
media     films and posters by signed address
status    the public status page
webhooks  where providers post
"""
