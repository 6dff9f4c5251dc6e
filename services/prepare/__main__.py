"""`python -m services.prepare`."""

import sys
from datetime import UTC, datetime

from services.prepare.app import prepare
from services.prepare.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    prepare(settings, now=datetime.now(UTC))
    sys.stdout.write(f"prepared below {settings.home}\n")
