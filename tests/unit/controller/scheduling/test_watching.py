from dioptra_controller.scheduling.watching import Watchers


async def test_everybody_who_watches_a_thing_is_woken_and_nobody_else() -> None:
    watchers = Watchers()
    with watchers.watch(1) as first, watchers.watch(1) as second, watchers.watch(2) as other:
        watchers.wake(1)
        assert (first.is_set(), second.is_set(), other.is_set()) == (True, True, False)
    with watchers.watch(1) as late:
        assert not late.is_set()
    watchers.wake(1)
    assert not late.is_set()
