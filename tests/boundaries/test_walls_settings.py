"""Whether a project's settings know one database, and no other service's."""

import re

import pytest
from tests.boundaries.projects import python
from tests.estate.settings import ROOT, SERVICES


@pytest.mark.parametrize("service", SERVICES)
class TestSettings:
    def test_know_one_database(self, service: str):
        script = f"from {service}_project.settings import *; print(*DATABASES)"

        read = python(service, "-c", script, DEBUG="1")

        assert read.stdout.split() == ["default"], read.stderr

    def test_name_no_other_services_database(self, service: str):
        project = ROOT / f"{service}_project"
        others = "|".join(other for other in SERVICES if other != service)
        strange = re.compile(rf"({others})_(service|owner|database)|({others})-db", re.IGNORECASE)

        for file in (project / f"{service}_project/settings.py", project / ".env.example"):
            assert strange.findall(file.read_text()) == []
