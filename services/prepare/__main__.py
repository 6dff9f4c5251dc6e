"""`python -m services.prepare`."""

import sys

from services.prepare.app import prepare
from services.prepare.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    prepare(settings)
    sys.stdout.write(f"prepared below {settings.home}\n")
