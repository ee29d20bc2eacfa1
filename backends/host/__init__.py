"""Float graphs as ONNX models: what a host runs beside a device."""

from .model import HostModel, HostState
from .write import onnx_model

__all__ = ["HostModel", "HostState", "onnx_model"]
