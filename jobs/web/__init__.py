"""The pages and addresses that browsers, crawlers and providers open. Each translates and makes one call inwards.

pages     the form, the wait, the reveal, my heroes
handover  a job goes on on a phone, by QR code
sharing   public pages of shared films
media     films and posters by signed address
status    the public status page
webhooks  where providers post
"""
