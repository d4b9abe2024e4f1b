"""Labels that machines read: whoever is handed a film or a still can learn that a program made it, and that it was us.

sources          what the label says about how a picture came to be (IPTC digitalSourceType)
xmp              the same as XMP, for programs that read only that
authority        the certificates that labels are signed with, derived from FIELD_KEYS
signing          C2PA: signs films and stills, as the last thing before they are stored
manifest_reader  reads what a file says; in a process without rights, because the file comes from anybody
pictures         decodes what a file shows, in the same process
sandbox          the parent's side of that process; child is what runs in it
watermarks       the invisible watermark of the studio's films, and the search for it; watermark_child is what searches

A signed label survives nothing that writes the file again, so files are signed last. A watermark does: the studio's
renderer embeds it (`providers.watermark`), because films are not encoded a second time here.
"""
