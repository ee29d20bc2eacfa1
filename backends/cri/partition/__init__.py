"""Programs on several cores: whether one fits, and how it is cut where it does not."""

from .capacity import Capacity, Need, needs
from .fit import Fit, fit
from .layers import LayerSize, Plan, fit_from_layers
from .partition import Partition, partition
from .ranks import Ranks, messages, over_ranks
from .routing import Route, routing_tables, surplus

__all__ = [
    "Capacity",
    "Fit",
    "LayerSize",
    "Need",
    "Partition",
    "Plan",
    "Ranks",
    "Route",
    "fit",
    "fit_from_layers",
    "messages",
    "needs",
    "over_ranks",
    "partition",
    "routing_tables",
    "surplus",
]
