"""What the server loads, in each of its processes: gunicorn --workers 2 --threads 16 django_host.wsgi;
once before, `python -m django_host.wsgi` makes the tables and the places of the stores."""

import atexit
import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_host.settings")
application = get_wsgi_application()

from django_host import storage  # noqa: E402 - models are imported after Django is set up

if __name__ == "__main__":
    call_command("migrate", run_syncdb=True)
storage.stores.check(create=__name__ == "__main__")
storage.keeper.start()
atexit.register(storage.keeper.stop)
