"""The schemas that classification is held against: many, different, and each with instances that tell what it means."""

from __future__ import annotations

import json

import pytest

from tests.contracts.schemas.corpus import Case, corpus
from trimtab.contracts.validate import Validator


def test_there_are_enough_of_many_kinds() -> None:
    assert len(corpus()) >= 300
    assert len({case.kind for case in corpus()}) >= 25
    assert len({case.id for case in corpus()}) == len(corpus())
    assert len({json.dumps(case.schema) for case in corpus()}) == len(corpus())


@pytest.mark.parametrize("case", corpus(), ids=lambda case: case.id)
def test_instances_are_what_the_validator_takes_them_for(case: Case) -> None:
    validator = Validator(json.dumps(case.schema))
    assert [value for value in case.valid if validator.faults(value)] == []
    assert [value for value in case.invalid if not validator.faults(value)] == []
    assert case.valid
