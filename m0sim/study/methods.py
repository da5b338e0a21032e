"""What a training method of one's own is written with: all that its file imports. docs/methods.md builds one.

A method is a class on top of `IntegerMethod`: what a layer learns from its gradient, in NumPy. Its `device` is an
object of a class on top of `IntegerForm`: the same as kernel calls. m0sim brings the passes, the loss, calibration and
memory plan, runs both, and holds them to one another byte for byte.

Arrays and units, for a layer (`Stage`) with weights:

* weights int8 ``stage.weight_shape``, [n_out, ...] in logical order, -127..127; learned arrays as the method has them,
  usually the same shape;
* gradients (`Gradient`): rows int64 [r], the outputs whose gradient is not all zero, and values int32 [r, n_in];
* errors int8 [n_out] (dense) or [height, width, n_out], -127..127; inputs int8, 0..127;
* shifts are bits to the right; real values are integers times 2**exponent;
* on the device weights lie as an edge array (`pack_weights`, `edge_bytes`): four outputs together, for each four inputs
  a word of each output, bytes of inputs 2, 3, 0, 1, stored as w + 128, padded to multiples of 4 both ways. Sizes are in
  bytes.

Errors that a user is to read are `UsageError`, in one line.
"""

from m0sim.errors import UsageError
from m0sim.study.learn.arithmetic import Int8, Int32, bit_length, largest, psto_shift, round_shift, sat
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.device_form import Builder, IntegerForm, Read, Words, edge_bytes, edges_from
from m0sim.study.learn.draws import normal_scores
from m0sim.study.learn.layers import Gradient
from m0sim.study.learn.layout import pack_scores, pack_weights, row_bytes, unpack
from m0sim.study.learn.methods.base import Method, Model, Tuned
from m0sim.study.learn.methods.integer import Context, IntegerMethod
from m0sim.study.learn.methods.options import Option, shared
from m0sim.study.learn.networks import Conv, Dense, Depthwise, Network, Stage
from m0sim.study.learn.own_kernels import Kernel
from m0sim.study.learn.state import Examples, Frozen, Layer, Learned, Selection, State
from m0sim.study.learn.step import Phase, Ref, Word

__all__ = [
    "Builder",
    "Config",
    "Context",
    "Conv",
    "Dense",
    "Depthwise",
    "DeviceOptions",
    "Examples",
    "Frozen",
    "Gradient",
    "Int8",
    "Int32",
    "IntegerForm",
    "IntegerMethod",
    "Kernel",
    "Layer",
    "Learned",
    "Method",
    "Model",
    "Network",
    "Option",
    "Phase",
    "Read",
    "Ref",
    "Selection",
    "Stage",
    "State",
    "Tuned",
    "UsageError",
    "Word",
    "Words",
    "bit_length",
    "edge_bytes",
    "edges_from",
    "largest",
    "normal_scores",
    "pack_scores",
    "pack_weights",
    "psto_shift",
    "round_shift",
    "row_bytes",
    "sat",
    "shared",
    "unpack",
]
