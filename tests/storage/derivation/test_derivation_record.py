"""The record of a derivation is made again where any of its inputs differs, and only there."""

import msgspec

from storage.derivation.test_run import deployment
from theodora.dora import Derived
from theodora.dora.derivation.derived import Changes, Decision, ShippedRequest
from theodora.dora.derivation.verdicts import unmarked
from theodora.storage.derivation.sequence_cache import DerivedSequence

SHIPPED = Changes(status="baseline", shipped=(ShippedRequest(7, None),))
DERIVED = Derived(
    deployment=deployment("a", 1),
    position=0,
    changes=SHIPPED,
    decision=Decision("standard", (), ()),
    verdict=unmarked(awaits_commits=False, type_="standard"),
)


def test_a_record_is_made_again_where_any_of_its_inputs_differs() -> None:
    sequence = DerivedSequence((DERIVED,), {}, ("production",))
    first = sequence.measured_unlike(DERIVED, 0, digest=0)
    assert first is not None

    def is_made_again(derived: Derived = DERIVED, tie: int = 0) -> bool:
        return sequence.measured_unlike(derived, tie, first.digest) is not None

    assert not is_made_again()
    others = {
        "changes": Changes(status="no_git"),
        "decision": Decision("rollback", (), ()),
        "verdict": unmarked(awaits_commits=True, type_="standard"),
    }
    for name, other in others.items():
        assert is_made_again(msgspec.structs.replace(DERIVED, **{name: other})), name
        assert not is_made_again()
    assert is_made_again(tie=1)
    staging = DerivedSequence((DERIVED,), sequence._digests, ("staging",))
    assert not is_made_again()
    assert staging.measured_unlike(DERIVED, 0, first.digest) is not None
