"""hs_api's neuron models, an instance or a JSON object each, as the parameter slots of a program."""

from __future__ import annotations

from typing import Any

from ....runtime.program.cri import NeuronModel
from ....runtime.program.cri_check import MAX_MODELS
from ..target import PROFILES
from .hs_api_pickle_names import Model
from .hs_api_problems import Findings, short

CLASSES = {"ANN_neuron": 0, "LIF_neuron": 2, "IF_neuron": 3}
ALIASES = {"theta": "threshold", "nu": "shift", "Lambda": "leak"}
NOT_READ = ("refractory_max", "delay_value", "dual_synapse_en", "shadow_uram_offset")
SOFT = ("soft_reset", "soft_reset_en")
LEGACY, LEGACY_PROFILE = "legacy_noise_en", "hw_l6_legacy"


class ModelReader:
    """Numbers the distinct models in the order they come up; `models` has them all."""

    def __init__(self, profile: str, found: Findings):
        self.profile, self.found = profile, found
        self._numbers: dict[NeuronModel, int] = {}
        self._seen: dict[int, tuple[Model, int]] = {}  # by id; keeping the object keeps its id its own

    @property
    def models(self) -> tuple[NeuronModel, ...]:
        return tuple(self._numbers)

    def number(self, where: str, given: Any) -> int:
        """The number of a model; 0 for one that is none, which goes to the findings (NMC-F031)."""
        if type(given) is Model and id(given) in self._seen:
            return self._seen[id(given)][1]
        model = self._model(where, given)
        if model is None:
            return 0
        number = self._numbers.setdefault(model, len(self._numbers))
        if number == MAX_MODELS:
            self.found.add("F031", f"{where}: there are more than {MAX_MODELS} different neuron models")
        if type(given) is Model:
            self._seen[id(given)] = given, number
        return number

    def _model(self, where: str, given: Any) -> NeuronModel | None:
        if type(given) is Model:
            kind, state = given.kind, given.state or {}
        elif type(given) is dict:
            kind, state = given.get("class"), {key: value for key, value in given.items() if key != "class"}
        else:
            self.found.add("F031", f"{where}: a neuron model must be an object of hs_api, not {short(given)}")
            return None
        if type(kind) is not str or kind not in CLASSES:
            self.found.add("F031", f"{where}: the class must be one of {', '.join(CLASSES)}, not {short(kind)}")
            return None
        before = self.found.count
        numbers = self._numbers_of(where, kind, state)
        self._check_extras(where, numbers)
        if self.found.count > before:
            return None
        soft = any(numbers.get(name, 0) for name in SOFT)
        return NeuronModel(CLASSES[kind], numbers["threshold"], numbers.get("leak", 0), numbers["shift"], soft)

    def _numbers_of(self, where: str, kind: str, state: dict[Any, Any]) -> dict[str, int]:
        """The attributes under the names of hs_api's main branch, as whole numbers."""
        given: dict[str, int] = {}
        for key, value in state.items():
            name: Any = ALIASES.get(key, key)
            whole = type(value) in (int, bool) or (type(value) is float and value.is_integer())
            if name in given or not whole or not -(2**63) <= value < 2**63:
                self.found.add(
                    "F031", f"{where}/{short(key)[:40]}: must be one whole number of 64 bits, not {short(value)}"
                )
            else:
                given[name] = int(value)
        needed = {"threshold", "shift", "leak"} if kind == "LIF_neuron" else {"threshold", "shift"}
        leaks = {"leak"} if kind != "IF_neuron" else set()
        known = {"threshold", "shift", *leaks, *NOT_READ, *SOFT, LEGACY}
        stated = {ALIASES.get(key, key) for key in state}
        for name in sorted(needed - stated):
            self.found.add("F031", f"{where}: the {kind} has no {name}")
        for name in sorted(map(short, stated - known)):
            self.found.add("F031", f"{where}: the {kind} has {name}, which nmc does not know")
        return given

    def _check_extras(self, where: str, numbers: dict[str, int]) -> None:
        for name in NOT_READ:
            if numbers.get(name, 0):
                self.found.add("F031", f"{where}: {name} is {numbers[name]}, which nmc does not read")
        for name in SOFT:
            if numbers.get(name, 0) and not PROFILES[self.profile].soft_reset:
                self.found.add(
                    "F031", f"{where}: {name} is {numbers[name]}, which profile {self.profile} does not have"
                )
        if numbers.get(LEGACY, 0) and self.profile != LEGACY_PROFILE:
            self.found.add("F031", f"{where}: {LEGACY} is set, which is profile {LEGACY_PROFILE}, not {self.profile}")
