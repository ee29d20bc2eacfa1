"""Passes by name. A backend adds its own through its target (`Target.passes`)."""

PASSES: dict[str, str] = {
    "canonicalize": "nmc.compiler.passes.canonicalize:Canonicalize",
    "expand-batch-norm": "nmc.compiler.passes.fold_batch_norm:ExpandBatchNorm",
    "factorize-conv3d": "nmc.compiler.passes.factorize_conv3d:FactorizeConv3d",
    "fold-batch-norm": "nmc.compiler.passes.fold_batch_norm:FoldBatchNorm",
    "make-causal": "nmc.compiler.passes.make_causal:MakeCausal",
    "stream": "nmc.compiler.passes.stream:Stream",
    "take-scales": "nmc.compiler.passes.take_scales:TakeScales",
}
