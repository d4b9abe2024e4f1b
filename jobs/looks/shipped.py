"""The looks that the product ships with. Staff may edit them later; seeding never changes existing rows."""

from django.utils.translation import gettext_noop as noop

# Titles are names. A note is translated where it is shown, as long as nobody changed it.
SHIPPED = [
    {
        "slug": "neon-noir",
        "title": "Neon noir",
        "note": noop("Rain, glass, magenta"),
        "prompt": (
            "Cinematic portrait film of the person in the photo as a cyberpunk hero: neon-lit rainy street at night, "
            "magenta and cyan rim light, armoured suit, translucent visor, slow push-in, shallow depth of field."
        ),
        "negative_prompt": "distorted face, different person, extra limbs, text, watermark, gore, nudity",
        "picture": "img/neon-noir.jpg",
        "loop": "films/neon-noir-loop.mp4",
        "order": 10,
    },
    {
        "slug": "chrome-samurai",
        "title": "Chrome samurai",
        "note": noop("Red sun, forged steel"),
        "prompt": (
            "Cinematic portrait film of the person in the photo as a chrome samurai: huge red sun behind torii gates, "
            "laced steel armour, crested forehead plate, eyes in view, drifting petals, slow push-in."
        ),
        "negative_prompt": "distorted face, different person, extra limbs, text, watermark, gore, nudity",
        "picture": "img/chrome-samurai.jpg",
        "loop": "films/chrome-samurai-loop.mp4",
        "order": 20,
    },
    {
        "slug": "netrunner",
        "title": "Netrunner",
        "note": noop("Green code, one lens"),
        "prompt": (
            "Cinematic portrait film of the person in the photo as a netrunner: dark server canyon, falling green "
            "code, one glowing lens over an eye, matte tactical suit, natural skin, slow push-in."
        ),
        "negative_prompt": "distorted face, different person, extra limbs, text, watermark, gore, nudity",
        "picture": "img/netrunner.jpg",
        "loop": "films/netrunner-loop.mp4",
        "order": 30,
    },
    {
        "slug": "daybreak",
        "title": "Daybreak",
        "note": noop("Morning sun, white and gold"),
        "prompt": (
            "Cinematic portrait film of the person in the photo as a hero at sunrise: bright city of white terraces "
            "and golden domes, pale blue sky, white coat with gold trim and feathered shoulders, drifting gold leaf, "
            "slow push-in."
        ),
        "negative_prompt": "distorted face, different person, extra limbs, text, watermark, gore, nudity",
        "picture": "img/daybreak.jpg",
        "loop": "films/daybreak-loop.mp4",
        "order": 40,
    },
    {
        "slug": "dust-nomad",
        "title": "Dust nomad",
        "note": noop("Two suns, bare face"),
        "prompt": (
            "Cinematic portrait film of the person in the photo as a desert nomad of the future: dusk in amber "
            "and teal, two suns over a clay town, wrapped cloth and scarf, bare face without mask or visor, drifting "
            "embers, slow push-in."
        ),
        "negative_prompt": "distorted face, different person, extra limbs, text, watermark, gore, nudity",
        "picture": "img/dust-nomad.jpg",
        "loop": "films/dust-nomad-loop.mp4",
        "order": 50,
    },
    {
        "slug": "frost-warden",
        "title": "Frost warden",
        "note": noop("Snow, moon, white steel"),
        "prompt": (
            "Cinematic portrait film of the person in the photo as a warden of the frozen north: pale moon over an icy "
            "bastion, aurora, plated white armour with high collar and fur, falling snow, translucent visor, "
            "slow push-in."
        ),
        "negative_prompt": "distorted face, different person, extra limbs, text, watermark, gore, nudity",
        "picture": "img/frost-warden.jpg",
        "loop": "films/frost-warden-loop.mp4",
        "order": 60,
    },
]
