"""Export of a clip or image model to ONNX with either exporter of PyTorch."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

Exporter = Literal["dynamo", "legacy"]
OPSETS = {"dynamo": (18, 25), "legacy": (9, 23)}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings, prints and log lines of the exporters."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    silence = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def drop_wrong_biases(program: torch.onnx.ONNXProgram) -> None:
    """Remove the zero biases of shape (channels, 2) that onnxscript 0.7 gives to every Conv3d without a bias."""
    from onnx_ir.passes.common import RemoveUnusedNodesPass

    for node in program.model.graph:
        bias = node.inputs[2] if node.op_type == "Conv" and len(node.inputs) == 3 else None
        producer = bias.producer() if bias is not None else None
        if producer is not None and producer.op_type == "Expand":
            node.resize_inputs(2)
    RemoveUnusedNodesPass()(program.model)


def export(
    model: nn.Module,
    example: Tensor,
    path: str | Path,
    exporter: Exporter = "dynamo",
    opset: int | None = None,
    dynamic_batch: bool = False,
    fold: bool = True,
) -> Path:
    """Write the model in eval mode to one ONNX file with input `clip` and output `logits`; return its path.

    opset: the exporter's own (20 in torch 2.13) if None. dynamic_batch: leave the batch axis open; the number of frames
    and the image size are always those of the example. fold: fold constants, and each batch norm that follows a
    convolution directly (after `chomp` it does not); without it every batch norm is a node.

    `dynamo` needs onnx and onnxscript, and opset 18 or above: asked for less, torch writes 18. It takes an axis of
    length 1 for a fixed one, so an example of one clip is doubled when the batch is dynamic. Without folding,
    onnxscript 0.7 gives a zero bias of two axes to every Conv3d that has none, which onnxruntime refuses; the
    bias is removed here.

    `legacy` needs onnx, and opset 23 or below (11 or above for a running mean). Without folding it spells paddings and
    shapes as chains of small nodes.
    """
    if exporter not in ("dynamo", "legacy"):
        raise ValueError(f"exporter is 'dynamo' or 'legacy', not {exporter!r}")
    lowest, highest = OPSETS[exporter]
    if opset is not None and not lowest <= opset <= highest:
        raise ValueError(f"exporter {exporter!r} writes opsets {lowest} to {highest}, not {opset}")
    model.eval()
    options: dict[str, Any] = {"input_names": ["clip"], "output_names": ["logits"], "opset_version": opset}
    with quiet(), torch.no_grad():
        if exporter == "dynamo":
            if dynamic_batch:
                example = example if len(example) > 1 else torch.cat([example, example])
                options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
            program = torch.onnx.export(model, (example,), dynamo=True, optimize=fold, verbose=False, **options)
            assert program is not None
            if not fold:
                drop_wrong_biases(program)
            program.save(path, external_data=False)
        else:
            if dynamic_batch:
                options["dynamic_axes"] = {"clip": {0: "batch"}, "logits": {0: "batch"}}
            training = torch.onnx.TrainingMode.EVAL if fold else torch.onnx.TrainingMode.PRESERVE
            options |= {"do_constant_folding": fold, "training": training}
            torch.onnx.export(model, (example,), path, dynamo=False, **options)
    return Path(path)
