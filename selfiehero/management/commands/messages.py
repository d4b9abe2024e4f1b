"""`manage.py messages`: brings the catalogues up to date with the sources, and what is compiled with the catalogues."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from selfiehero import catalogues


class Command(BaseCommand):
    help = "Find what is said, bring locale/*.po up to date, compile them, and say what is not translated yet."

    def handle(self, *args: Any, **options: Any) -> None:
        root, templates = settings.ROOT, catalogues.extracted(settings.ROOT)
        for language in catalogues.PLURALS:
            for domain, template in templates.items():
                path = catalogues.po_path(root, language, domain)
                catalogue = catalogues.read(path, language)
                catalogues.merge(catalogue, template)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(catalogues.po_bytes(catalogue))
                messages = catalogues.messages(catalogue)
                missing = [message for message in messages if not all(catalogues.translations(message))]
                self.stdout.write(f"{path.relative_to(root)}: {len(messages)} messages, {len(missing)} missing")
                for message in missing:
                    self.stdout.write(f"  {message.id[0] if message.pluralizable else message.id}")
            for path, content in catalogues.compiled(root, language).items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
