"""The first orders of the shop that `make up` opens, placed over HTTP like any other."""

import secrets

from tests.estate.estate import Estate
from tests.estate.story import Scene

PEOPLE = {
    "Hanna Lindqvist": [{"TENT-2P": 1, "MAT-AIR": 2}, {"STOVE-GAS": 1, "POT-TI-900": 1}],
    "Tomasz Nowak": [{"PACK-45": 1, "LAMP-HEAD": 1}],
    "Amara Okafor": [{"BAG-DOWN-0": 1}, {"MUG-ENAMEL": 4, "LAMP-CAMP": 1}],
    "Luis Romero": [{"TENT-4P": 2, "MAT-FOAM": 4}, {"TENT-4P": 40}],  # more tents than there are
}


def open_shop(estate: Estate) -> int:
    """Let the first customers order, if nobody has yet; return how many orders were placed."""
    scene = Scene(estate)
    staff = estate.staff("user")
    scene.log_in("staff", staff.login, staff.password)
    if scene.ask("GET", "order", "orders/", who="staff", expect=200)["results"]:
        return 0
    for name, orders in PEOPLE.items():
        email, password = f"{name.lower().replace(' ', '.')}@example.com", secrets.token_urlsafe(12)
        body = {"name": name, "email": email, "password": password}
        scene.ask("POST", "user", "users/", expect=201, json=body)
        scene.log_in(name, email, password)
        for lines in orders:
            asked = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]
            short = lines.get("TENT-4P", 0) > 8
            status = 409 if short else 201
            scene.ask("POST", "order", "orders/", who=name, expect=status, json={"lines": asked})
    return sum(map(len, PEOPLE.values()))
