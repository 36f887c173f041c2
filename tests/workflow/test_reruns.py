"""Change one thing, and exactly what it touches runs again."""

import copy
import os
import re

import pytest

from conftest import Project

GENERATORS = ("crysbfn", "symmbfn", "twin", "substitution", "random")
TARGETS = ("results/demo/sun.csv", "results/demo/report.html")
JUDGEMENT = {"sun", "sun_table", "provenance", "trajectory", "report"}
RELAXING = {"relax", "gather_relaxed", "energy_above_hull", "distributions"} | JUDGEMENT
HULL = {"reference_energies", "hull", "hull_quality"}
SAMPLING = {"sample", "measure", "validity", "coverage"} | RELAXING
TRAINING = {"train"} | SAMPLING


def add_twin(project):
    """Another kind of generator: its file, a line that names it, and its section of the configuration."""
    source = (project.folder / "src/sunflow/generators/crysbfn.py").read_text()
    (project.folder / "src/sunflow/generators/twin.py").write_text(source)
    project.edit("src/sunflow/config.py", '"crysbfn": CrysBFNModel,', '"crysbfn": CrysBFNModel, "twin": CrysBFNModel,')

    def add(config):
        config["generators"]["twin"] = copy.deepcopy(config["generators"]["crysbfn"]) | {"kind": "twin"}

    project.configure(add)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose results are all there, as far as Snakemake can tell."""
    project = Project.create(tmp_path_factory.mktemp("finished") / "project")
    add_twin(project)
    for _, outputs in project.jobs("--forceall", *TARGETS):
        for path in outputs:
            (project.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (project.folder / path).write_text(path)
    project.snakemake("--touch", "--forceall", "--cores", "1", *TARGETS)
    assert project.jobs(*TARGETS) == []
    return project


@pytest.fixture
def project(finished, tmp_path):
    return finished.copy(tmp_path / "project")


def set_key(*path, value):
    def change(config):
        for name in path[:-1]:
            config = config[name]
        config[path[-1]] = value

    return lambda project: project.configure(change)


def remark(project):
    """Times, comments, the mirror, and a dataset that is not asked for."""
    project.configure(lambda config: config.update(mirror="/somewhere/else"))
    project.configure(lambda config: config["datasets"]["mp20"].update(max_atoms=12))
    for name in ("config.yaml", "src/sunflow/flows/torus.py"):
        path = project.folder / name
        path.write_text("# A remark.\n" + path.read_text())
    for path in project.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)


def append(name, text):
    def change(project):
        path = project.folder / name
        path.write_text(path.read_text() + text)

    return change


def swap(config):
    training = config["generators"]["twin"]["datasets"]["demo"]["training"]
    training["batch_size"], training["averaging_start"] = training["averaging_start"], training["batch_size"]


CHANGES = {
    "what means nothing": (remark, set(), None),
    "threshold": (set_key("sun", "stable", value=0.01), JUDGEMENT | {"hull_quality"}, None),
    "compositions that test the hull": (
        set_key("sun", "num_left_out", value=50),
        {"hull_quality", "provenance", "report"},
        None,
    ),
    "two values that change places": (lambda project: project.configure(swap), TRAINING, "twin"),
    "relaxer's step limit": (
        set_key("relaxers", "chgnet", "datasets", "demo", "max_steps", value=77),
        RELAXING | HULL,
        None,
    ),
    "code of a flow": (append("src/sunflow/flows/torus.py", "\nNEW = 1\n"), TRAINING, None),
    "code of a distribution": (
        append("src/sunflow/flows/von_mises.py", "\nNEW = 1\n"),
        TRAINING | {"accuracy_schedule"},
        None,
    ),
    "code of one generator": (append("src/sunflow/generators/twin.py", "\nNEW = 1\n"), TRAINING, "twin"),
    "code of a control": (
        append("src/sunflow/generators/random.py", "\nNEW = 1\n"),
        TRAINING - {"trajectory"},
        "random",
    ),
    "code of the controls": (
        append("src/sunflow/generators/memory.py", "\nNEW = 1\n"),
        TRAINING - {"trajectory"},
        "random|substitution",
    ),
    "version of the package of a control and of the space groups": (
        lambda project: project.edit("constraints.txt", "pyxtal==", "pyxtal==0."),
        TRAINING | {"space_groups", "asymmetric_units"},
        "random|symmbfn",
    ),
    "code of the relaxer": (
        append("src/sunflow/relaxation/relaxer.py", "\nNEW = 1\n"),
        RELAXING | HULL,
        None,
    ),
    "code of the report": (append("src/sunflow/report/page.py", "\nNEW = 1\n"), {"report"}, None),
    "template of the report": (append("src/sunflow/report/style.css.jinja", "\n/* new */\n"), {"report"}, None),
    "hyper-parameter of one run": (
        set_key("generators", "twin", "datasets", "demo", "model", "hidden_dim", value=64),
        TRAINING,
        "twin",
    ),
    "number of samples of one run": (
        set_key("generators", "twin", "datasets", "demo", "sampling", "num_crystals", value=10),
        SAMPLING,
        "twin",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_exactly_what_a_change_touches_runs_again(project, name):
    change, expected, generator = CHANGES[name]
    change(project)
    jobs = project.jobs(*TARGETS)
    assert {rule for rule, _ in jobs} == expected
    if generator:
        names = "|".join(GENERATORS)
        of_generators = [path for _, paths in jobs for path in paths if re.match(rf"results/demo/({names})/", path)]
        assert of_generators
        assert all(re.match(rf"results/demo/({generator})/", path) for path in of_generators)
