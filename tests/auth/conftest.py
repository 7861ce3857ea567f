"""Tests on a real Keystone run where there is one: `make test-keystone` builds it and says where."""

from __future__ import annotations

import os

from tests.support.keystone import ENVIRONMENT

collect_ignore = [] if os.environ.get(ENVIRONMENT) else ["test_keystone.py"]
