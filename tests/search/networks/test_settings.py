"""Settings of one network: written down and read back, and put into the sections of a spec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.errors import InputError
from search.networks.settings import SPECS_OWN, Settings
from search.networks.sharing import Sharing
from search.spec import NetworkSpec, TrainingSpec, settled

_floats = st.floats(1e-9, 1e3)


@given(
    st.builds(
        Settings,
        capacity=st.none() | _floats,
        widths=st.none() | st.lists(st.integers(1, 9999), min_size=1).map(tuple),
        learning_rate=st.none() | _floats,
        batch_size=st.none() | st.integers(1, 10**6),
        balancing=st.none() | st.sampled_from(["pcgrad", "dwa temperature=1.5", "mgda normalise=loss+ by=features"]),
    ),
    st.sampled_from(["hard", "mtan", "branch depth=2", "adashare modes=ss-,sss"]),
)
def test_what_is_written_is_read_back_to_the_bit(settings: Settings, way: str) -> None:
    assert Settings.parse(str(settings)) == settings
    sharing = Sharing.parse(f"{way} with {settings}" if settings else way)
    assert sharing.settings == settings
    assert Sharing.parse(str(sharing)) == sharing
    assert str(sharing.bare) == way


@pytest.mark.parametrize("text", ["epochs=3", "widths=", "widths=a", "learning_rate", "batch_size=64 batch_size=64"])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Sharing.parse(f"hard with {text}")
    assert caught.value.where == "architectures"
    assert caught.value.fix


def test_sections_say_what_the_settings_say_and_else_what_they_said() -> None:
    network, training = NetworkSpec(widths=(64, 64)), TrainingSpec(epochs=7)
    assert settled(SPECS_OWN, network, training) == (network, training)
    own, trained = settled(Settings.parse("trunk=resmlp widths=32x32x32 learning_rate=0.01"), network, training)
    assert (own.trunk, own.widths, own.capacities) == ("resmlp", (32, 32, 32), network.capacities)
    assert (trained.learning_rate, trained.epochs) == (0.01, 7)


@pytest.mark.parametrize("text", ["learning_rate=-1", "dropout=1", "weighting=loud", "balancing=none", "trunk=no"])
def test_values_that_a_section_refuses_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        settled(Settings.parse(text), NetworkSpec(), TrainingSpec())
