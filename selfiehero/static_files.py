"""Static files under hashed names, JavaScript imports included."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Hashed and compressed files whose ES module imports are rewritten to the hashed names."""

    support_js_module_import_aggregation = True
    # A page with a picture missing is better than no page at all.
    manifest_strict = False
