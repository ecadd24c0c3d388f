"""In order_project: `manage.py verify_customers`, timed from where the interpreter has started."""

import json
import sys
import time
from io import StringIO

from django.core.management import call_command


def main(*, runs: int, since: str) -> list[float]:
    arguments = ["--json", *(["--since", since] if since else [])]
    took = []
    for _ in range(runs):
        said = StringIO()
        begun = time.perf_counter()
        call_command("verify_customers", *arguments, stdout=said)
        took.append(time.perf_counter() - begun)
        assert json.loads(said.getvalue())["equal"]
    return took


print(json.dumps(main(**json.loads(sys.argv[2]))))  # noqa: T201
