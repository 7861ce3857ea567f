"""Django's settings. Those of imgstore are the options of its ini files."""

import os
from pathlib import Path

VAR = Path(os.environ.get("IMAGES_DIR", "var")).resolve()
LEASE = int(os.environ.get("IMAGES_LEASE", "60"))
GENERAL = {"enabled_stores": "fs:filesystem", "project_quota": "10 GiB"}
IMGSTORE = {"imgstore": GENERAL, "fs": {"datadir": VAR / "images"}}
ROOT_URLCONF = "django_host.views"
INSTALLED_APPS = ["django_host"]
MIDDLEWARE = ["django_host.views.Callers"]
SQLITE = {"timeout": 30, "transaction_mode": "IMMEDIATE"}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": VAR / "images.db", "OPTIONS": SQLITE}}
