"""Which environments are production."""

import pytest

from theodora.events.production import is_production


@pytest.mark.parametrize("env", ["production", "prod", "prd", "live", "PROD", "Live"])
def test_usual_names_of_production_are_known(env):
    assert is_production(env)


@pytest.mark.parametrize("env", [None, "", "staging", "preprod", "production-eu"])
def test_others_are_not_production(env):
    assert not is_production(env)


def test_an_organisation_may_have_names_of_its_own():
    assert is_production("Blue", {"blue"})
    assert not is_production("production", {"blue"})
