import json
import shutil
from pathlib import Path

import pytest

from holdfast.bundle import open_bundle, seal
from holdfast.config.schema import GateConfig
from holdfast.core.errors import BundleError, GateError, HoldfastError, RefError
from holdfast.core.files import write_json
from holdfast.core.refs import Ref, parse_ref
from holdfast.registry import Registry
from holdfast.testing.bundles import toy_bundle, toy_evaluation

GATE = GateConfig()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Bundles of 0.90, 0.91 and 0.92, and one of 0.60, which no gate lets through."""
    folder = tmp_path_factory.mktemp("bundles")
    return [
        toy_bundle(folder / str(seed), seed=seed, evaluation=toy_evaluation(value=value))
        for seed, value in enumerate([0.90, 0.91, 0.92, 0.60])
    ]


@pytest.fixture
def registry(tmp_path: Path, bundles: list[Path]) -> Registry:
    """birds with versions 1 to 4 and no alias."""
    registry = Registry(tmp_path / "models")
    for number, bundle in enumerate(bundles, 1):
        assert registry.register("birds", bundle, run=f"run-{number}") == number
    return registry


def promote(registry: Registry, text: str, *, force: bool = False) -> None:
    registry.promote(parse_ref(text), gate=GATE, force=force)


def events(registry: Registry) -> list[tuple[str, int, int | None]]:
    """What happened after the four registrations: event, version, previous."""
    return [(line["event"], line["version"], line["previous"]) for line in registry.audit("birds")[4:]]


def champion(registry: Registry) -> int | None:
    return registry.resolve(parse_ref("birds@champion")).version


class TestRegister:
    def test_keeps_a_copy_that_is_the_bundle(self, registry: Registry, bundles: list[Path]) -> None:
        for number, bundle in enumerate(bundles, 1):
            copy = open_bundle(registry.path(Ref("birds", version=number)))

            assert copy.digest == open_bundle(bundle).digest
            assert registry.show(Ref("birds", version=number))["run"] == f"run-{number}"

    def test_gives_the_same_bundle_the_version_it_has(self, registry: Registry, bundles: list[Path]) -> None:
        before = registry.audit("birds")

        assert registry.register("birds", bundles[1], run="again") == 2
        assert registry.audit("birds") == before

    def test_never_gives_a_number_twice(self, registry: Registry, bundles: list[Path]) -> None:
        shutil.rmtree(registry.root / "birds/versions/4")

        assert registry.register("birds", bundles[3], run="again") == 5
        assert registry.versions("birds") == [1, 2, 3, 5]

    def test_refuses_a_damaged_bundle_and_begins_no_model(self, tmp_path: Path) -> None:
        bundle = toy_bundle(tmp_path / "bundle")
        (bundle / "model.onnx").write_bytes(b"rubbish")
        registry = Registry(tmp_path / "models")

        with pytest.raises(BundleError, match=r"model\.onnx: damaged"):
            registry.register("birds", bundle, run="run")
        assert registry.names() == []
        assert not registry.root.exists()

    def test_refuses_what_is_no_name(self, tmp_path: Path, bundles: list[Path]) -> None:
        with pytest.raises(RefError, match=r"'\.\./birds' is not a name"):
            Registry(tmp_path).register("../birds", bundles[0], run="run")

    def test_leaves_out_what_is_not_part_of_the_bundle(self, registry: Registry, tmp_path: Path) -> None:
        bundle = toy_bundle(tmp_path / "bundle", seed=9)
        (bundle / ".DS_Store").write_bytes(b"x")

        registry.register("cats", bundle, run="run")

        assert not (registry.path(parse_ref("cats@1")) / ".DS_Store").exists()

    def test_finishes_what_a_kill_cut_short_before_the_log(self, registry: Registry) -> None:
        log = registry.root / "birds/audit.jsonl"
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(lines[:3]) + lines[3][:20])
        assert registry.verify(parse_ref("birds@4")) == [
            "birds@4 is not in the audit log: its registration was cut short; register it again"
        ]

        promote(registry, "birds@1")

        assert [line["event"] for line in registry.audit("birds")] == ["register"] * 4 + ["promote"]
        assert registry.verify(parse_ref("birds@4")) == []

    def test_clears_what_a_kill_left_aside(self, registry: Registry, tmp_path: Path) -> None:
        left = registry.root / "birds/versions/.aside-123"
        left.mkdir()

        registry.register("birds", toy_bundle(tmp_path / "new", seed=9), run="run")

        assert not left.exists()


class TestPromote:
    def test_moves_the_alias_and_says_where_it_was(self, registry: Registry) -> None:
        first = registry.promote(parse_ref("birds@1"), gate=GATE)
        second = registry.promote(parse_ref("birds@2"), gate=GATE)

        assert (first.ref, first.alias, first.previous) == ("birds@1", "champion", None)
        assert (second.ref, second.previous, second.forced) == ("birds@2", "birds@1", False)
        assert registry.aliases("birds") == {"champion": 2}
        assert events(registry) == [("promote", 1, None), ("promote", 2, 1)]

    def test_refuses_and_records_what_does_not_pass_the_gate(self, registry: Registry) -> None:
        promote(registry, "birds@1")

        with pytest.raises(GateError) as refusal:
            promote(registry, "birds@4")

        assert refusal.value.message.splitlines() == [
            "birds@4 may not become champion:",
            "  its macro_f1 of 0.6000 is worse than the baseline of simple features, 0.7000",
            "  its macro_f1 of 0.6000 is worse than that of birds@1, 0.9000 (its interval begins at 0.8700)",
        ]
        assert "--force" in str(refusal.value.hint)
        assert "audit log records it" in str(refusal.value.hint)
        assert champion(registry) == 1
        assert events(registry)[-1] == ("refused", 4, 1)
        assert len(registry.audit("birds")[-1]["reasons"]) == 2

    def test_moves_by_force_and_records_the_reasons_against_it(self, registry: Registry) -> None:
        promotion = registry.promote(parse_ref("birds@4"), gate=GATE, force=True)

        line = registry.audit("birds")[-1]
        assert (line["event"], line["forced"]) == ("promote", True)
        assert line["reasons"] == list(promotion.reasons) != []
        assert champion(registry) == 4

    def test_calls_nothing_forced_that_the_gate_lets_through(self, registry: Registry) -> None:
        assert not registry.promote(parse_ref("birds@1"), gate=GATE, force=True).forced
        assert not registry.audit("birds")[-1]["forced"]

    def test_does_nothing_where_the_alias_points_there_already(self, registry: Registry) -> None:
        promote(registry, "birds@1")
        before = registry.audit("birds")

        again = registry.promote(parse_ref("birds@1"), gate=GATE)

        assert again.unchanged
        assert registry.audit("birds") == before

    def test_takes_the_latest_version_for_a_name_alone(self, registry: Registry) -> None:
        promotion = registry.promote(parse_ref("birds"), gate=GATE, force=True)

        assert promotion.ref == "birds@4"

    def test_keeps_aliases_apart(self, registry: Registry) -> None:
        promote(registry, "birds@1")
        registry.promote(parse_ref("birds@2"), "shadow", gate=GATE)

        assert registry.aliases("birds") == {"champion": 1, "shadow": 2}
        assert registry.list()[2]["aliases"] == ["shadow"]

    def test_compares_with_the_one_that_has_the_alias(self, registry: Registry, tmp_path: Path) -> None:
        other = toy_bundle(tmp_path / "b", labels=("disc", "ring"), seed=9)
        registry.register("birds", other, run="run")
        promote(registry, "birds@1")

        with pytest.raises(
            GateError, match="its labels are not those of birds@1: it lacks square and adds ring"
        ):
            promote(registry, "birds@5")
        registry.promote(parse_ref("birds@5"), "shadow", gate=GATE)

    @pytest.mark.parametrize("alias", ["3", "latest"])
    def test_refuses_an_alias_that_would_be_misread(self, registry: Registry, alias: str) -> None:
        with pytest.raises(RefError, match=f"'{alias}' cannot be an alias"):
            registry.promote(parse_ref("birds@1"), alias, gate=GATE)

    def test_refuses_a_damaged_bundle_even_by_force(self, registry: Registry) -> None:
        (registry.path(parse_ref("birds@2")) / "model.onnx").write_bytes(b"rubbish")

        with pytest.raises(BundleError, match=r"model\.onnx: damaged"):
            promote(registry, "birds@2", force=True)

    def test_refuses_a_bundle_that_was_put_in_the_place_of_the_registered(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        folder = registry.path(parse_ref("birds@2"))
        shutil.rmtree(folder)
        toy_bundle(folder, seed=9)

        with pytest.raises(BundleError, match="birds@2 is not the bundle that was registered"):
            promote(registry, "birds@2", force=True)
        assert any(
            "not the one that was registered" in problem for problem in registry.verify(Ref("birds", 2))
        )

    def test_needs_force_where_the_champion_is_damaged(self, registry: Registry) -> None:
        promote(registry, "birds@1")
        (registry.path(parse_ref("birds@1")) / "model.onnx").unlink()

        with pytest.raises(GateError, match="cannot be compared with birds@1"):
            promote(registry, "birds@2")
        promote(registry, "birds@2", force=True)

        assert champion(registry) == 2


class TestRollback:
    def test_gives_the_alias_back_step_by_step(self, registry: Registry) -> None:
        for version in (1, 2, 3):
            promote(registry, f"birds@{version}")

        first, second = registry.rollback("birds"), registry.rollback("birds")

        assert (first.ref, first.previous) == ("birds@2", "birds@3")
        assert (second.ref, second.previous) == ("birds@1", "birds@2")
        assert events(registry)[3:] == [("rollback", 2, 3), ("rollback", 1, 2)]
        with pytest.raises(RefError, match="birds@champion is version 1, with nothing further back"):
            registry.rollback("birds")

    def test_forgets_what_was_rolled_back(self, registry: Registry) -> None:
        promote(registry, "birds@1")
        promote(registry, "birds@2")
        registry.rollback("birds")
        promote(registry, "birds@3")

        assert registry.rollback("birds").ref == "birds@1"

    def test_skips_what_was_refused(self, registry: Registry) -> None:
        promote(registry, "birds@1")
        promote(registry, "birds@2")
        with pytest.raises(GateError):
            promote(registry, "birds@4")

        assert registry.rollback("birds").ref == "birds@1"

    def test_never_goes_to_a_damaged_bundle(self, registry: Registry) -> None:
        promote(registry, "birds@1")
        promote(registry, "birds@2")
        (registry.path(parse_ref("birds@1")) / "model.onnx").unlink()

        with pytest.raises(BundleError, match=r"model\.onnx: missing"):
            registry.rollback("birds")
        assert champion(registry) == 2

    def test_needs_an_alias_that_is_there(self, registry: Registry) -> None:
        with pytest.raises(RefError, match="birds has no alias 'champion'"):
            registry.rollback("birds")


class TestReading:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("brids@1", r"no model 'brids'\nhint: did you mean 'birds'\? there are: birds"),
            ("birds@7", r"birds has no version 7\nhint: it has 1–4"),
            ("birds@champoin", r"no alias 'champoin'\nhint: did you mean 'champion'\? it has champion → 1"),
            ("birds@latest", "'birds@latest' is no alias\nhint: write birds for its latest version"),
        ],
    )
    def test_says_what_there_is_where_a_reference_leads_nowhere(
        self, registry: Registry, text: str, says: str
    ) -> None:
        promote(registry, "birds@1")

        with pytest.raises(RefError, match=says):
            registry.path(parse_ref(text))

    def test_says_so_where_there_are_no_models(self, tmp_path: Path) -> None:
        registry = Registry(tmp_path / "models")

        with pytest.raises(
            RefError, match=r"there are none yet in .*/models: `holdfast train DATASET`, or --home"
        ):
            registry.promote(parse_ref("birds"), gate=GATE)
        assert registry.list() == []
        assert not registry.root.exists()

    def test_says_where_an_alias_points_if_that_is_gone(self, registry: Registry) -> None:
        promote(registry, "birds@1")
        shutil.rmtree(registry.root / "birds/versions/1")

        with pytest.raises(RefError, match=r"birds has no version 1 \(where 'champion' points\)"):
            registry.path(parse_ref("birds@champion"))

    def test_lists_an_alias_whose_version_is_gone(self, registry: Registry) -> None:
        promote(registry, "birds@2")
        shutil.rmtree(registry.root / "birds/versions/2")

        rows = registry.list()

        assert [(row["ref"], row["aliases"]) for row in rows if row["problem"]] == [("birds@2", ["champion"])]
        assert rows[2]["problem"] == "the version is gone, but champion still points there"

    def test_lists_every_version_newest_first(self, registry: Registry) -> None:
        promote(registry, "birds@2")

        rows = registry.list()

        assert [row["ref"] for row in rows] == ["birds@4", "birds@3", "birds@2", "birds@1"]
        assert rows[2]["aliases"] == ["champion"]
        assert (rows[2]["headline"], rows[2]["value"], rows[2]["dataset"]) == ("macro_f1", 0.91, "toy@1")
        json.dumps(rows)

    @pytest.mark.parametrize("file", ["entry.json", "bundle/manifest.json", "bundle/evaluation.json"])
    def test_lists_a_damaged_version_with_its_problem(self, registry: Registry, file: str) -> None:
        (registry.root / "birds/versions/2" / file).write_text("{}")

        rows = registry.list()

        assert [row["ref"] for row in rows if row["problem"]] == ["birds@2"]
        assert file.rpartition("/")[2] in rows[2]["problem"]

    def test_shows_a_version_as_json(self, registry: Registry) -> None:
        shown = registry.show(parse_ref("birds@1"))

        assert shown["manifest"]["labels"] == ["disc", "square"]
        assert shown["evaluation"]["headline"] == "macro_f1"
        json.dumps(shown)


class TestVerify:
    def test_finds_nothing_where_all_is_whole(self, registry: Registry) -> None:
        promote(registry, "birds@1")

        assert registry.verify(parse_ref("birds@champion")) == []

    def test_names_a_damaged_file(self, registry: Registry) -> None:
        (registry.path(parse_ref("birds@1")) / "model.onnx").write_bytes(b"rubbish")

        (problem,) = registry.verify(parse_ref("birds@1"))
        assert "model.onnx: damaged" in problem

    def test_names_the_line_where_the_audit_log_was_changed(self, registry: Registry) -> None:
        with pytest.raises(GateError):
            promote(registry, "birds@4")
        promote(registry, "birds@1")
        log = registry.root / "birds/audit.jsonl"
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(lines[:4] + lines[5:]))

        assert registry.verify(parse_ref("birds@1")) == [
            "audit.jsonl line 5: the line before it was changed, removed or added after it was written"
        ]

    def test_names_a_line_that_nobody_can_read(self, registry: Registry) -> None:
        promote(registry, "birds@1")
        log = registry.root / "birds/audit.jsonl"
        log.write_text(log.read_text().replace('"n": 2', '"n" 2'))

        problems = registry.verify(parse_ref("birds@champion"))

        assert problems[0] == "audit.jsonl line 2: cannot be read"
        with pytest.raises(HoldfastError, match=r"audit\.jsonl is damaged in line 2"):
            registry.aliases("birds")

    def test_names_an_evaluation_that_says_otherwise_than_the_manifest(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        bundle = toy_bundle(tmp_path / "b", seed=9)
        manifest = open_bundle(bundle).manifest
        write_json(bundle / "evaluation.json", toy_evaluation(value=0.99))
        seal(bundle, manifest)
        registry.register("cats", bundle, run="run")

        assert registry.verify(parse_ref("cats")) == [
            "cats@1: its manifest and its evaluation give different metrics"
        ]
