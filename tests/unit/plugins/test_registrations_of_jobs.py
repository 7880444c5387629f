"""Every job finds registered what its imports register, and nothing else."""

from collections.abc import Callable

from dioptra_ray import pyplugs
from dioptra_ray.plugins.activation import PluginSet, activate
from tests.unit.plugins.jobs import JOBS, is_kept, run_jobs

MakeSet = Callable[..., PluginSet]


def registered(value: str) -> str:
    return f"from dioptra import pyplugs\n\n@pyplugs.register\ndef f():\n    return {value}\n"


def test_registrations_of_a_step_are_gone_and_those_of_imports_are_not(make_set: MakeSet) -> None:
    source = (
        "from dioptra import pyplugs\n@pyplugs.register\ndef step():\n"
        "    seen = pyplugs.funcs('plug', 'tasks')\n"
        "    def made(): pass\n    pyplugs.register(made)\n    return seen\n"
    )
    plugin_set = make_set("s", {"plug/tasks.py": source})
    for _ in range(JOBS):
        with activate(plugin_set):
            assert pyplugs.call("plug", "tasks", "step") == ["step"]
            assert pyplugs.funcs("plug", "tasks") == ["step", "made"]


def test_an_import_does_not_keep_what_a_step_registered_before_it(make_set: MakeSet) -> None:
    source = """
        from dioptra import pyplugs
        def step():
            seen = pyplugs.exists("plug", "tasks")
            def made(): pass
            pyplugs.register(made)
            from plug import late
            return seen, pyplugs.funcs("plug", "late")
        """
    late = registered("1")
    seen, modules = run_jobs(make_set("s", {"plug/tasks.py": source, "plug/late.py": late}))
    assert seen == [(False, ["f"])] * JOBS
    assert is_kept(modules)


def test_a_function_that_a_step_replaced_is_found_again(make_set: MakeSet) -> None:
    source = (
        "from dioptra import pyplugs\n@pyplugs.register\ndef step():\n"
        "    def step(): return 'replaced'\n    pyplugs.register(step)\n    return 'first'\n"
    )
    plugin_set = make_set("s", {"plug/tasks.py": source})
    for _ in range(JOBS):
        with activate(plugin_set):
            assert pyplugs.call("plug", "tasks", "step") == "first"
            assert pyplugs.call("plug", "tasks", "step") == "replaced"
