"""Django's settings. Those of imgstore are the options of its ini files."""

import os
from pathlib import Path

VAR = Path(os.environ.get("IMAGES_DIR", "var")).resolve()
LEASE = int(os.environ.get("IMAGES_LEASE", "60"))
LIMITS = {"max_image_size": "1 GiB", "project_quota": "10 GiB"}
IMGSTORE = {"imgstore": {"enabled_stores": "files:filesystem", **LIMITS}, "files": {"datadir": VAR / "images"}}
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "django_host.views"
INSTALLED_APPS = ["django_host"]
MIDDLEWARE = ["django_host.views.Callers"]
SQLITE = {"timeout": 30, "transaction_mode": "IMMEDIATE"}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": VAR / "images.db", "OPTIONS": SQLITE}}
