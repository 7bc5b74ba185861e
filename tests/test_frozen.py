"""Values that go from layer to layer are frozen: nobody changes what another holds."""

import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module

import msgspec
import pytest

import theodora.dora
import theodora.events
import theodora.query


def values() -> Iterator[type]:
    for package in (theodora.query, theodora.dora, theodora.events):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for _, each in inspect.getmembers(import_module(module.name), inspect.isclass):
                if each.__module__ == module.name and is_value(each):
                    yield each


def is_value(class_: type) -> bool:
    is_private = class_.__name__.startswith("_")
    return not is_private and (is_dataclass(class_) or issubclass(class_, msgspec.Struct))


def is_frozen(class_: type) -> bool:
    if issubclass(class_, msgspec.Struct):
        return class_.__struct_config__.frozen
    return class_.__dataclass_params__.frozen


@pytest.mark.parametrize("package", ["query", "dora", "events"])
def test_values_are_frozen(package: str) -> None:
    of_package = [each for each in values() if each.__module__.startswith(f"theodora.{package}.")]
    assert len(of_package) > 3
    assert [each.__qualname__ for each in of_package if not is_frozen(each)] == []
