"""The space of a search over settings: what is refused, in which words, and where; and what a good one means."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.errors import InputError
from search.balancing import Balancing, BalancingName
from search.documents import dump_spec, parse_spec
from search.documents.reading import spec_from
from search.errors import SpecError
from search.networks.settings import SETTINGS
from search.networks.sharing import Sharing, SharingKind
from search.spec import Spec, TrainingSpec
from search.spec.searching import Objective, Scheduler, SearchSpec, stretched
from search.spec.sections import NetworkSpec
from search.spec.space import OF_POLICY_SEARCH, Between, Choices, DimensionName, count, read_space
from search.task_sampling import SamplingName

RATES = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}


def _spec(search: dict[str, Any], **more: Any) -> Spec:
    return spec_from(
        {"name": "x", "data": {"source": "nyc-weather"}, "budget": {"inference": 3}, "search": search, **more}
    )


@pytest.mark.parametrize(
    ("space", "where", "what"),
    [
        ({}, "search.space", "empty"),
        ({"learning_rate": []}, "search.space.learning_rate", "the list is empty"),
        ({"learning_rate": None}, "search.space.learning_rate", "nothing is neither a list"),
        ({"learning_rate": 0.1}, "search.space.learning_rate", "0.1 is neither a list"),
        ({"learning_rate": {"low": 0.1}}, "search.space.learning_rate", "'high' is missing"),
        ({"learning_rate": {"low": 1, "high": 0.1}}, "search.space.learning_rate", "low is 1 and high is 0.1"),
        ({"weight_decay": {"low": 0, "high": 1, "log": True}}, "search.space.weight_decay.low", "logarithm of 0"),
        ({"learning_rate": {"low": 0, "high": 1, "log": True}}, "search.space.learning_rate.low", "0 is out of range"),
        ({"learning_rate": {"low": 1e-4, "high": 1, "log": 1}}, "search.space.learning_rate.log", "no truth value"),
        ({"learning_rate": {"low": 1e-4, "hihg": 1}}, "search.space.learning_rate", "unknown key 'hihg'"),
        ({"learning_rate": [True]}, "search.space.learning_rate[0]", "true is no number"),
        ({"learning_rate": ["1e-3"]}, "search.space.learning_rate[0]", "'1e-3' is no number"),
        ({"learning_rate": [math.nan]}, "search.space.learning_rate[0]", "nan is out of range"),
        ({"learning_rate": [-1]}, "search.space.learning_rate[0]", "-1 is out of range"),
        ({"depth": [1.5]}, "search.space.depth[0]", "1.5 is no whole number"),
        ({"depth": {"low": 1, "high": 99}}, "search.space.depth.high", "99 is out of range"),
        ({"batch_size": [64, 64]}, "search.space.batch_size[1]", "64 appears twice"),
        ({"balancing": ["equal", "pcgard"]}, "search.space.balancing[1]", "no balancing is called 'pcgard'"),
        ({"balancing": {"low": 1, "high": 2}}, "search.space.balancing", "values of 'balancing' are names"),
        ({"sharing": ["mtna"]}, "search.space.sharing[0]", "no architecture is called 'mtna'"),
        ({"sharing": ["branch depth=9"]}, "search.space.sharing[0]", "shares 9 layers"),
        ({"sharing": ["hard with batch_size=64"]}, "search.space.sharing[0]", "the end of a search"),
        ({"sharing": [1]}, "search.space.sharing[0]", "1 is no text"),
        ({"norm": ["layer"]}, "search.space.norm[0]", "no norm is called 'layer'"),
        ({"trunk": ["mpl"]}, "search.space.trunk", "no trunk is called 'mpl'"),
        ({"trunk": ["cnn"], "depth": [1]}, "search.space.depth", "a cnn has two widths or more"),
        ({"capacity": [1.0], "width": [64]}, "search.space", "capacity and width both"),
        ({"sparsity": [0.1], "sharing": ["hard"]}, "search.space.sparsity", "no way to share of the space is searched"),
        ({"sparsity": [0.1]}, "search.space.sparsity", "no way to share of the space is searched"),
        ({"learnign_rate": [0.1]}, "search.space", "'learnign_rate' is no setting"),
    ],
)
def test_what_is_wrong_with_a_space_is_said_where_it_is(space: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(SpecError) as caught:
        _spec({"space": space, "configurations": 1})
    assert caught.value.where == where
    assert what in caught.value.what
    assert caught.value.fix


def test_a_misspelt_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(SpecError, match="learning_rate"):
        _spec({"space": {"learnign_rate": [0.1]}})
    with pytest.raises(SpecError, match="pcgrad"):
        _spec({"space": {"balancing": ["pcgard"]}})


@pytest.mark.parametrize(
    ("search", "where"),
    [
        ({"space": {"batch_size": [64, 128]}, "configurations": 3}, "search.configurations"),
        ({"space": RATES, "scheduler": "asha", "objective": "loss-and-cost"}, "search.scheduler"),
        ({"space": RATES, "brackets": [2.0, 1.0]}, "search.brackets[1]"),
        ({"space": RATES, "brackets": [1.0, 2.0]}, "search.brackets[1]"),
        ({"space": RATES, "brackets": [1.0, 3.0], "objective": "loss-and-cost"}, "search.brackets"),
        ({"space": RATES, "first": 0.01}, "search.first"),
        ({"space": RATES, "configurations": 0}, "search.configurations"),
        ({"space": RATES, "keep": 0}, "search.keep"),
        ({"space": RATES, "scheduler": "hyperband"}, "search.scheduler"),
        ({"space": RATES, "samples": 9}, "search.samples"),
        ({}, "search.space"),
    ],
)
def test_what_does_not_go_together_is_refused(search: dict[str, Any], where: str) -> None:
    with pytest.raises(SpecError) as caught:
        _spec(search)
    assert caught.value.where == where
    assert caught.value.fix


def test_settings_found_on_one_split_are_not_judged_on_another() -> None:
    with pytest.raises(SpecError, match=r"evidence\.splits"):
        _spec({"space": RATES}, evidence={"splits": 2})


def test_lists_and_ranges_are_read_as_they_are_written() -> None:
    space = read_space({"batch_size": [64, 128], "depth": {"low": 1, "high": 3}, **RATES})
    assert space["batch_size"] == Choices((64, 128))
    assert space["depth"] == Between(1, 3, log=False, whole=True)
    assert space["learning_rate"] == Between(1e-4, 1e-2, log=True, whole=False)
    assert count(read_space({"batch_size": [64, 128], "depth": {"low": 1, "high": 3}})) == 6
    assert count(space) == math.inf


def test_the_order_of_settings_does_not_matter() -> None:
    forth = read_space({"depth": [1, 2], **RATES})
    back = read_space({**RATES, "depth": [1, 2]})
    assert list(forth.items()) == list(back.items())


def test_a_spec_with_a_search_survives_being_written_down() -> None:
    search = {"space": {"sharing": ["hard", "branch depth=1"], **RATES}, "brackets": [1.0, 3.0], "keep": 2}
    spec = _spec(
        search, architectures=["hard", "mtan with capacity=2 learning_rate=0.003 balancing=dwa,temperature=1.5"]
    )
    assert parse_spec(dump_spec(spec)) == spec


def test_losses_are_read_at_a_share_and_its_multiples() -> None:
    search = SearchSpec(space=RATES)
    assert search.fractions == (0.25, 0.5, 1.0)
    assert SearchSpec(space=RATES, first=0.3, reduction=4).fractions == (0.3, 1.0)
    assert SearchSpec(space=RATES, scheduler="none").fractions == (1.0,)


def test_by_loss_and_cost_nothing_is_stopped_early() -> None:
    assert SearchSpec(space=RATES, objective="loss-and-cost").scheduler == "none"


@given(
    widths=st.lists(st.integers(1, 512), min_size=1, max_size=6),
    depth=st.integers(1, 8),
    width=st.integers(1, 1024),
)
def test_stretched_widths_have_the_asked_depth_and_widest_layer(widths: list[int], depth: int, width: int) -> None:
    network = NetworkSpec(widths=tuple(widths))
    assert stretched(network, None, None) is None
    assert stretched(network, len(widths), None) == tuple(widths)
    found = stretched(network, None, width)
    assert found is not None
    assert len(found) == len(widths)
    assert max(found) == width
    deeper = stretched(network, depth, None)
    assert deeper is not None
    assert len(deeper) == depth
    assert max(deeper) <= max(widths)


def test_names_in_the_spec_are_those_of_the_registries() -> None:
    """A name that can be searched is a setting that a network can have, or says what it is made of."""
    names = set(get_args(DimensionName))
    assert names - set(OF_POLICY_SEARCH) - {"sharing", "depth", "width"} == set(SETTINGS) - {"widths"}
    trained = set(TrainingSpec.model_fields)
    assert names & trained == {
        "batch_size", "learning_rate", "weight_decay", "clip_norm", "weighting", "balancing", "sampling"
    }  # fmt: skip
    for name in get_args(BalancingName):
        with suppress(InputError):  # a solver that is not installed
            Balancing.parse(name)
            assert read_space({"balancing": [name]})["balancing"] == Choices((name,))
    for name in get_args(SamplingName):
        assert read_space({"sampling": [name]})
    for name in get_args(SharingKind):
        assert read_space({"sharing": [name]})["sharing"] == Choices((str(Sharing.parse(name)),))
    assert set(get_args(Scheduler)) == {"asha", "none"}
    assert set(get_args(Objective)) == {"loss", "loss-and-cost"}


@pytest.mark.parametrize("more", [{"search": {"space": RATES}}, {"architectures": ["mtan with learning_rate=0.01"]}])
def test_networks_with_settings_are_not_tried_with_further_rates(more: dict[str, Any]) -> None:
    document = {"name": "x", "data": {"source": "nyc-weather"}, "budget": {"inference": 3}, **more}
    assert spec_from(document)
    with pytest.raises(SpecError) as caught:
        spec_from({**document, "tuning": {"learning_rates": 3}})
    assert caught.value.where == "tuning.learning_rates"


def test_a_trainer_of_ones_own_has_settings_of_its_own() -> None:
    trainer = {"command": "train --targets {tasks} --seed {seed} --epochs {epochs} --out {out}"}
    with pytest.raises(SpecError) as caught:
        _spec({"space": RATES}, trainer=trainer, tasks=[{"name": "a"}, {"name": "b"}])
    assert caught.value.where == "search"


@pytest.mark.parametrize("text", ["hard with epochs=3", "mtan with widths=0x8", "hard with trunk=nowhere", "hard with"])
def test_settings_of_a_way_to_share_are_checked_where_they_stand(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec_from({"name": "x", "data": {"source": "y"}, "budget": {"inference": 3}, "architectures": ["mtan", text]})
    assert caught.value.where == "architectures[1]"


def test_a_search_does_not_go_through_a_proxy_of_rays() -> None:
    assert _spec({"space": RATES}, cluster={"address": "head:6379"})
    with pytest.raises(SpecError, match="HOST:PORT") as caught:
        _spec({"space": RATES}, cluster={"address": "ray://head:10001"})
    assert caught.value.where == "cluster.address"
