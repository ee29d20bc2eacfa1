"""Programs on several cores: whether one fits, and how it is cut where it does not."""

from .capacity import Capacity, Need, needs
from .fit import Fit, fit
from .layers import LayerSize, Plan, fit_from_layers
from .partition import Partition, partition
from .routing import Route, routing_tables, surplus

__all__ = [
    "Capacity",
    "Fit",
    "LayerSize",
    "Need",
    "Partition",
    "Plan",
    "Route",
    "fit",
    "fit_from_layers",
    "needs",
    "partition",
    "routing_tables",
    "surplus",
]
