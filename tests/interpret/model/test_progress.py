import threading

import pytest

from interpret.model.devices import cpu_count
from interpret.model.progress import parallel_map, progress


def test_results_come_in_the_order_of_the_items() -> None:
    others_ran = threading.Event()

    def square(item: int) -> int:
        if item == 0 and cpu_count() > 1:
            assert others_ran.wait(60)  # the first one ends after another
        if item:
            others_ran.set()
        return item**2

    assert parallel_map(square, range(40), "squaring") == [i**2 for i in range(40)]
    assert parallel_map(square, [], "squaring") == []


def test_an_error_reaches_the_caller() -> None:
    def fail(item: int) -> int:
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match=r"^item 3$"):
        parallel_map(fail, [3], "failing")


def test_a_pipe_gets_no_bar(capfd: pytest.CaptureFixture[str]) -> None:
    with progress() as bar:
        bar.update(bar.add_task("work", total=2), completed=1)
    assert capfd.readouterr() == ("", "")
