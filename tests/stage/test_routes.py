import pytest

from simulator.stage import routes

ROUTES = [
    routes.route("rest", "api/files/{*path}", ()),
    routes.route("optional", "api/drills/{id?}", ["GET"]),
    routes.route("free", "api/groups/{name}", ["GET"]),
    routes.route("number", "api/groups/{id:int}", ["GET"]),
    routes.route("literal", "api/groups/all", ["GET"]),
    routes.route("posted", "api/groups/{name}/plan/{fingerprint}", ["POST"]),
    routes.route("mixed", "api/report-{id}.json", ()),
]


@pytest.mark.parametrize(
    ("method", "path", "function", "params"),
    [
        ("GET", "/api/groups/all", "literal", {}),
        ("GET", "/API/Groups/ALL/", "literal", {}),
        ("GET", "/api/groups/12", "number", {"id": "12"}),
        ("GET", "/api/groups/a%2Fb%20c", "free", {"name": "a/b c"}),
        ("GET", "/api/drills", "optional", {}),
        ("GET", "/api/drills/7", "optional", {"id": "7"}),
        ("POST", "/api/groups/g/plan/f", "posted", {"name": "g", "fingerprint": "f"}),
        ("PUT", "/api/files", "rest", {}),
        ("PUT", "/api/files/a/b.txt", "rest", {"path": "a/b.txt"}),
        ("GET", "/api/report-9.json", "mixed", {"id": "9"}),
    ],
)
def test_the_most_specific_route_answers(
    method: str, path: str, function: str, params: dict[str, str]
) -> None:
    """Literals go before constrained parameters, those before free ones; names are not sensitive to case."""
    found = routes.find(ROUTES, method, path)
    assert found is not None
    assert (found[0].function, found[1]) == (function, params)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/groups/all"),
        ("GET", "/api/groups"),
        ("GET", "/groups/all"),
        ("GET", "/api/reportX9.json"),
    ],
)
def test_no_route_answers(method: str, path: str) -> None:
    """A method that no route takes is like a path that no route has."""
    assert routes.find(ROUTES, method, path) is None


@pytest.mark.parametrize("template", ["api/{id:regex(^a$)}", "api/{id", "api/{id:moon}"])
def test_a_template_that_is_not_understood(template: str) -> None:
    """An unknown constraint is an error, not a route that answers too much."""
    with pytest.raises(ValueError, match="not understood"):
        routes.route("wrong", template, ())
