"""Every operation of the REST interface against the running application, with whatever Schemathesis thinks of."""

import time

import pytest
import schemathesis
from console_visitor import Visitor, add_unknown, fill, write_strangers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from callprint.console.sessions import RateLimit, Role
from callprint.console.users import Users

CHECKS = (
    *(not_a_server_error, status_code_conformance),
    *(content_type_conformance, response_schema_conformance),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return the schema as the application gives it, and the header that lets a program in."""
    folder = tmp_path_factory.mktemp("document")
    token = Users(folder / "console" / "users.json").set_token("robot", Role.ADMINISTRATOR)
    store = add_unknown(fill(folder / "store.sqlite"))
    options = {"placed": folder / "networks.json", "hosts": ("testserver",)}
    visitor = Visitor(store, folder / "console", enter=False, **options)
    write_strangers(visitor.settings.named)
    visitor.app._limit = RateLimit(1_000_000, 60.0)
    header = {"Authorization": f"Bearer {token}"}
    until = time.monotonic() + 120
    while "clustering" in visitor.get("/api/v1/unknowns", headers=header).text and time.monotonic() < until:
        time.sleep(0.1)
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", visitor.app, headers=header), header


def test_no_answer_is_an_error_of_ours_or_outside_the_document(served):
    schema, header = served
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 16
    for operation in operations:
        asked(operation, header)


def asked(operation, header) -> None:
    """Ask for one operation in several ways, and check each answer."""

    @given(data=st.data())
    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def answers(data):
        case = data.draw(operation.as_strategy())
        case.call_and_validate(checks=CHECKS, headers=header)

    answers()
