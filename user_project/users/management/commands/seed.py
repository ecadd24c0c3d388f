"""`manage.py seed`: the people of one small real shop."""

import os
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from users.models import User

CARE = "Customer care"  # may look after accounts, not hand out rights
CARE_MAY = ["view_user", "add_user", "change_user", "delete_user", "view_pendingevent"]

OWNER = ("greta.lindqvist@fieldware.example", "Greta Lindqvist", "+46 31 760 12 01")
STAFF = [
    ("tomas.okafor@fieldware.example", "Tomas Okafor", "+46 31 760 12 02"),
    ("ines.carvalho@fieldware.example", "Inês Carvalho", "+46 31 760 12 03"),
]
CUSTOMERS = [
    ("hanna.berger@example.com", "Hanna Berger", "+49 30 5557 0142"),
    ("luca.moretti@example.com", "Luca Moretti", "+39 06 5550 181"),
    ("aoife.nicdhomhnaill@example.com", "Aoife Nic Dhomhnaill", ""),
    ("mateusz.zielinski@example.com", "Mateusz Zieliński", "+48 22 555 01 77"),
    ("yuki.tanaka@example.com", "Tanaka Yuki", ""),
    ("camille.dubois@example.com", "Camille Dubois", "+33 1 55 50 01 23"),
    ("bjorn.aas@example.com", "Bjørn Aas", "+47 22 55 01 64"),
    ("priya.raman@example.com", "Priya Raman", ""),
    ("jan.devries@example.com", "Jan de Vries", "+31 20 555 0119"),
    ("elena.popescu@example.com", "Elena Popescu", "+40 21 555 0158"),
    ("samuel.osei@example.com", "Samuel Osei", ""),
    ("marta.kovacova@example.com", "Marta Kováčová", "+421 2 5550 1136"),
]


class Command(BaseCommand):
    help = "Make sure of the shop's staff and a dozen customers; nobody is made twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--password",
            default=os.environ.get("SEED_PASSWORD"),
            help="give it to all of them, also by SEED_PASSWORD; without it nobody can log in",
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        care, _ = Group.objects.get_or_create(name=CARE)
        care.permissions.set(Permission.objects.filter(codename__in=CARE_MAY))
        people = [
            self.ensure(OWNER, is_staff=True, is_superuser=True),
            *(self.ensure(person, is_staff=True) for person in STAFF),
            *(self.ensure(person) for person in CUSTOMERS),
        ]
        care.user_set.add(*people[1 : 1 + len(STAFF)])
        if options["password"]:
            known = User.objects.filter(pk__in=[user.pk for user in people])
            known.update(password=make_password(options["password"]))
        self.stdout.write(f"{len(people)} people are there, {1 + len(STAFF)} of them staff")

    def ensure(self, person: tuple[str, str, str], **rights: bool) -> User:
        """The user with this address, made where there is none."""
        email, name, phone = person
        unusable = make_password(None)
        fields = {"name": name, "phone": phone, "password": unusable} | rights
        user: User = User.objects.get_or_create(email=email, defaults=fields)[0]
        return user
