"""`manage.py messages`: brings the catalogues up to date with the sources, and what is compiled with the catalogues."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from selfiehero import catalogues


class Command(BaseCommand):
    help = "Find what is said, bring locale/*.po up to date, compile them, and say what is not translated yet."

    def handle(self, *args: Any, **options: Any) -> None:
        root, found = settings.ROOT, catalogues.found_in_sources(settings.ROOT)
        for language in catalogues.PLURALS:
            for domain, messages in found.items():
                path = catalogues.po_path(root, language, domain)
                catalogue = catalogues.merged(catalogues.read_po(path), messages)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(catalogues.po_text(catalogue, language))
                missing = [text for text, message in catalogue.items() if not message.said or not all(message.said)]
                self.stdout.write(f"{path.relative_to(root)}: {len(catalogue)} messages, {len(missing)} missing")
                for text in missing:
                    self.stdout.write(f"  {text}")
            for path, content in catalogues.compiled(root, language).items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
