"""What stands in the vendor's JSON, as layers of a program; what is unknown or malformed is collected."""

from __future__ import annotations

from reprlib import repr as short
from typing import Any

from ....runtime.program.akida import Array, Layer
from ....runtime.program.akida_kinds import FLAGS, PARAMETERS, WORDS
from ....runtime.program.problems import Problems
from .akida_json import IP_VERSION
from .akida_json_arrays import ArrayError, read_array

TOP = ("Akida version", "IP version", "layers", "learning")
LAYER = ("name", "inbounds", "parameters", "variables")
# Keys that the vendor's tools add to a layer. They follow from its parameters and are not read.
DERIVED = ("input_shape", "output_shape")


class Document(Problems):
    """The layers of a parsed file with the variables it gives, in the dtypes it states, and the problems `found`.

    named  every layer that reads others names them. Otherwise an empty list of inbounds stands for the layer before:
           not in the first layer, nor where the host feeds (InputData, Quantizer, and InputConv2D unless it follows
           a Quantizer).
    """

    def __init__(self, data: dict[str, Any], named: bool):
        super().__init__()
        self.named = named
        self.layers: list[Layer] = []
        self._known("the file", data, TOP)
        self.akida_version = data.get("Akida version")
        text = isinstance(self.akida_version, str | None)
        self.need(text, "F021", "Akida version", f"must be text, not {short(self.akida_version)}")
        ip = data.get("IP version", IP_VERSION)
        self.need(ip == IP_VERSION, "F021", "IP version", f"must be {IP_VERSION!r}, not {short(ip)}")
        learning = data.get("learning")
        self.need(learning is None, "F021", "learning", f"must be null, not {short(learning)}: weights are fixed here")
        self.need(bool(data["layers"]), "F021", "layers", "there must be one at least")
        for i, entry in enumerate(data["layers"]):
            self._layer(f"layers/{i}", entry)
        self.distinct("layers", self.layers)

    def _layer(self, where: str, entry: Any) -> None:
        if not self._object(where, entry):
            return
        self._known(where, entry, (*LAYER, *DERIVED))
        name = entry.get("name")
        self.need(isinstance(name, str), "F021", f"{where}/name", f"must be text, not {short(name)}")
        kind, parameters = self._parameters(f"{where}/parameters", entry.get("parameters"))
        inbounds = self._inbounds(f"{where}/inbounds", entry.get("inbounds", []), kind)
        variables = self._variables(f"{where}/variables", entry.get("variables", {}))
        self.layers.append(Layer(name if isinstance(name, str) else where, kind, inbounds, parameters, variables))

    def _inbounds(self, where: str, names: Any, kind: str) -> tuple[str, ...]:
        good = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not self.need(good, "F021", where, f"must be a list of names, not {short(names)}"):
            return ()
        if names or self.named or not self.layers:
            return tuple(names)
        before = self.layers[-1]
        fed = kind in ("InputData", "Quantizer") or (kind == "InputConv2D" and before.kind != "Quantizer")
        return () if fed else (before.name,)

    def _parameters(self, where: str, entry: Any) -> tuple[str, dict[str, Any]]:
        """Kind and parameters of a layer; words are counted from 0 in the file, flags are 0 or 1."""
        if not self._object(where, entry):
            return "", {}
        kind = entry.get("layer_type")
        known = isinstance(kind, str) and kind in PARAMETERS
        kinds = ", ".join(PARAMETERS)
        if not self.need(known, "F021", f"{where}/layer_type", f"must be one of {kinds}, not {short(kind)}"):
            return "", {}
        names = PARAMETERS[kind]
        self._known(where, entry, ("layer_type", *names))
        missing = [name for name in names if name not in entry]
        self.need(not missing, "F021", where, f"{kind} needs {', '.join(missing)}")
        given = {name: entry[name] for name in names if name in entry}
        return kind, {name: self._parameter(f"{where}/{name}", name, value) for name, value in given.items()}

    def _parameter(self, where: str, name: str, value: Any) -> Any:
        whole = type(value) is int or (name in FLAGS and type(value) is bool)
        if not self.need(whole, "F021", where, f"must be an integer, not {short(value)}"):
            return value
        choices = WORDS.get(name) or ((False, True) if name in FLAGS else None)
        if choices is None:
            return value
        meaning = ", ".join(f"{i} ({choice})" for i, choice in enumerate(choices))
        fits = self.need(0 <= value < len(choices), "F021", where, f"must be one of {meaning}, not {short(value)}")
        return choices[value] if fits else value

    def _variables(self, where: str, entry: Any) -> dict[str, Array]:
        found = {}
        for name, item in entry.items() if self._object(where, entry) else ():
            try:
                found[name] = read_array(item)
            except ArrayError as error:
                self.need(False, "F021", f"{where}/{name}", str(error))
        return found

    def _object(self, where: str, entry: Any) -> bool:
        return self.need(isinstance(entry, dict), "F021", where, f"must be an object, not {short(entry)}")

    def _known(self, where: str, entry: dict[str, Any], keys: tuple[str, ...]) -> None:
        unknown = sorted(entry.keys() - set(keys))
        self.need(not unknown, "F021", where, f"has unknown keys: {', '.join(map(repr, unknown))}")
