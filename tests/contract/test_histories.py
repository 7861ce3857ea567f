"""What a failing history prints is a program that fails in the same way."""

from __future__ import annotations

import contextlib

import pytest

from imgstore import errors
from imgstore.testing import Histories, working_bench
from imgstore.testing.bench import body
from imgstore.testing.leftovers import die
from imgstore.testing.parts import lose_answer
from tests.contract.mutants import MutantSubject
from tests.contract.mutants.histories import DeleteEndsTheUploadsOfTheKey


class Shortened(Histories):
    SECONDS = 0.3


def test_failing_history_is_printed_as_a_program() -> None:
    with working_bench(MutantSubject(DeleteEndsTheUploadsOfTheKey)) as bench:
        with pytest.raises(pytest.fail.Exception) as told:
            Shortened().test_histories_end_as_the_model_says(bench)
        program = "\n".join(line[4:] for line in str(told.value).splitlines() if line.startswith("    "))
    subject = MutantSubject(DeleteEndsTheUploadsOfTheKey)
    names = {"subject": subject, "body": body, "die": die, "lose_answer": lose_answer, "suppress": contextlib.suppress}
    with working_bench(subject) as bench:
        bench.failed = True
        with pytest.raises(errors.IntegrityError):
            exec(program, {**vars(errors), **names, "bench": bench})
    assert program.count("\n") < 40, "it was not shortened"
