# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every module, role and page of the collection."""

from __future__ import annotations

import ast
import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mailsec.dane.plugins.module_utils import _requirements

ROOT = Path(__file__).parents[2]
NOT_OURS = {".ansible", ".cache", ".git", ".hypothesis", ".mypy_cache", ".ruff_cache", ".venv", "__pycache__", "output"}


def files(pattern: str) -> list[Path]:
    found = sorted(path for path in ROOT.glob(pattern) if path.is_file())
    return [path for path in found if not NOT_OURS & set(path.relative_to(ROOT).parts)]


def everywhere(ending: str) -> list[Path]:
    """Files with this ending; not by a glob, which would look through .venv and the caches, too."""
    folders = [path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in NOT_OURS]
    return files(f"*{ending}") + [path for folder in folders for path in files(f"{folder}/**/*{ending}")]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


MODULES = files("plugins/modules/*.py")
CORE = files("plugins/module_utils/**/*.py")
ROLES = sorted(path.parents[1] for path in files("roles/*/tasks/main.yml"))
PLAYS = [*files("playbooks/**/*.yml"), *files("roles/*/tasks/**/*.yml"), *files("roles/*/handlers/*.yml")]
PAGES = everywhere(".md")


def strings(module: Path) -> dict[str, t.Any]:
    """DOCUMENTATION, EXAMPLES and RETURN of a module, as text."""
    found = {}
    for node in ast.parse(module.read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str() as text)):
                found[name] = text
    return found


def actions(tasks: t.Iterable[dict[str, t.Any]]) -> list[str]:
    """The words of tasks that are neither keywords nor names of variables."""
    return [word for task in tasks for word in task if "." in word]


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) >= 2 and len(ROLES) >= 1 and len(CORE) >= 20 and len(PAGES) >= 3


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_modules_are_documented_with_examples_that_parse(module: Path) -> None:
    texts = strings(module)
    documentation = yaml.safe_load(texts["DOCUMENTATION"])
    assert documentation["module"] == module.stem
    assert documentation["version_added"]
    assert "mailsec.dane.attributes" in documentation["extends_documentation_fragment"]
    assert texts["EXAMPLES"].lstrip().startswith("---")
    examples = yaml.safe_load(texts["EXAMPLES"])
    assert f"mailsec.dane.{module.stem}" in actions(examples)
    assert all(task.get("name") for task in examples)
    for value in (yaml.safe_load(texts["RETURN"]) or {}).values():
        assert value["description"] and value["returned"] and value["type"]


def leaves(returned: dict[str, t.Any], above: str = "") -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Every returned value that has no others in it, or a sample of its own."""
    for name, value in returned.items():
        if "contains" in value and "sample" not in value:
            yield from leaves(value["contains"], f"{above}{name}.")
        else:
            yield above + name, value


TYPES = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict, "float": float}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_every_returned_value_has_a_sample_of_its_type(module: Path) -> None:
    returned = yaml.safe_load(strings(module)["RETURN"]) or {}
    for name, value in leaves(returned):
        assert "sample" in value, name
        sample = value["sample"]
        assert sample is None or value["type"] == "raw" or isinstance(sample, TYPES[value["type"]]), name


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_modules_that_only_read_are_named_info(module: Path) -> None:
    fragments = yaml.safe_load(strings(module)["DOCUMENTATION"])["extends_documentation_fragment"]
    reads = "mailsec.dane.attributes.info_module" in fragments
    assert reads == module.stem.endswith("_info")


@pytest.mark.parametrize("file", CORE, ids=name_of)
def test_the_core_imports_nothing_of_ansible(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not [name for name in names if name.split(".")[0] == "ansible"], f"line {node.lineno}"


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_roles_have_what_a_role_needs(role: Path) -> None:
    readme = (role / "README.md").read_text()
    assert f"mailsec.dane.{role.name}" in readme
    meta = yaml.safe_load((role / "meta" / "main.yml").read_text())["galaxy_info"]
    assert meta["description"] and meta["license"]
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    assert specs["main"]["short_description"]
    options = {name for spec in specs.values() for name in spec.get("options", {})}
    assert not [name for name in options if not name.startswith(f"{role.name}_")]


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_variables_of_roles_carry_its_name_and_are_documented(role: Path) -> None:
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    options = {name for spec in specs.values() for name in spec.get("options", {})}
    defaults = role / "defaults" / "main.yml"
    public = set(yaml.safe_load(defaults.read_text()) or {}) if defaults.exists() else set()
    assert not public - options, "in defaults/main.yml, but not in the argument specification"
    for private in role.glob("vars/*.yml"):
        names = set(yaml.safe_load(private.read_text()) or {})
        assert not [name for name in names if not name.startswith((f"__{role.name}_", f"{role.name}_"))]


def test_collections_that_roles_and_playbooks_call_are_in_the_requirements() -> None:
    listed = yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]
    known = {"ansible.builtin", "mailsec.dane", *(entry["name"] for entry in listed)}
    called = {
        match.group(1)
        for path in PLAYS
        for match in re.finditer(r"^\s*(?:- )?([a-z0-9_]+\.[a-z0-9_]+)\.[a-z0-9_]+:", path.read_text(), re.MULTILINE)
    }
    assert called - known == set()


def test_execution_environments_get_the_python_packages_that_are_required() -> None:
    def lines(name: str) -> set[str]:
        text = (ROOT / name).read_text()
        return {line for line in text.splitlines() if line and not line.startswith(("#", "ansible-core"))}

    paths = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text())["dependencies"]
    # ansible-builder looks for them from the root of the collection; tests/run/package.sh lets it.
    assert paths == {"python": "requirements.txt", "system": "bindep.txt"}
    assert all((ROOT / path).is_file() for path in paths.values())
    assert lines("requirements.txt") <= lines("tests/unit/requirements.txt")
    required = {line.partition(">=")[0] for line in lines("requirements.txt")}
    assert set(_requirements.MINIMUM) <= required


def test_r18_nothing_here_turns_the_checking_of_host_keys_off() -> None:
    """The lab's own hosts are checked, too: against the keys that it made for them."""
    off = re.compile(r"host_key_checking|StrictHostKeyChecking=(?!yes)|UserKnownHostsFile=/dev/null", re.IGNORECASE)
    told = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in (ROOT / "ansible.cfg", *PLAYS, *PAGES, *(ROOT / "roles").rglob("*"))
        if path.is_file()
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if off.search(line)
    ]
    assert told == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_yaml_on_pages_parses(page: Path) -> None:
    for block in re.findall(r"^```ya?ml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        list(yaml.safe_load_all(block))


def test_every_source_file_names_its_licence() -> None:
    sources = [path for ending in ("py", "sh", "yml", "md", "j2", "toml", "cfg") for path in everywhere(f".{ending}")]
    generated = {"CHANGELOG.md", "galaxy.yml"}
    without = [
        name_of(path)
        for path in sources
        if path.name not in generated and path.stat().st_size > 200
        if "SPDX-License-Identifier" not in path.read_text(errors="replace")[:600]
    ]
    assert without == []
