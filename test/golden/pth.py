"""Files of torch.save in both of its formats, and the tensors in them. Run: /usr/bin/python3 pth.py

Writes pth.json: `files`, name -> base64; `tensors`, name -> dtype in safetensors' words, shape, and the row-major
little-endian bytes as hex, half and bfloat16 widened to float32. Every file holds all of the tensors; `wrapped` holds
them under "state_dict", beside what training scripts add. Storage keys of legacy files are addresses, so the bytes
change from run to run; the tensors do not.
"""
import base64
import collections
import io
import json
import os
import sys

import torch

sys.dont_write_bytecode = True
WORDS = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
         torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}
SPECIAL = [0.0, -0.0, 1.0, -2.5, float("inf"), float("-inf"), 6e-8, 65504.0, 3.0e-5, 1 / 3]


def state_dict():
    tensors = collections.OrderedDict()
    for dtype, word in WORDS.items():
        if dtype.is_floating_point:
            tensors[f"type.{word}"] = torch.tensor(SPECIAL, dtype=torch.float64).to(dtype)
        elif dtype is torch.bool:
            tensors[f"type.{word}"] = torch.tensor([True, False, True])
        else:
            info = torch.iinfo(dtype)
            tensors[f"type.{word}"] = torch.tensor([info.min, info.max, 0, 7], dtype=dtype)
    grid = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) - 7.25
    tensors["view.whole"] = grid
    tensors["view.permuted"] = grid.permute(2, 0, 1)
    tensors["view.slice"] = grid[1, 1:, 1::2]
    tensors["view.column"] = grid[:, 2, 3]
    tensors["view.expanded"] = torch.arange(3, dtype=torch.int16)[:, None].expand(3, 4)
    tensors["view.diagonal"] = torch.arange(16, dtype=torch.float64).reshape(4, 4).diagonal()
    tensors["shape.scalar"] = torch.tensor(-3)
    tensors["shape.empty"] = torch.zeros(2, 0, 3)
    tensors["parameter"] = torch.nn.Parameter(torch.tensor([[0.5, -0.125]]))
    tensors["Gewicht-ß-重み"] = torch.tensor([1, 2], dtype=torch.uint8)
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3)).state_dict(prefix="net.")
    tensors.update(network)
    tensors._metadata = network._metadata
    return tensors


def saved(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def described(tensor):
    tensor = tensor.detach()
    wide = tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
    return [WORDS[tensor.dtype], list(tensor.shape), wide.contiguous().numpy().tobytes().hex()]


def main():
    assert sys.byteorder == "little"
    tensors = state_dict()
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))], lr=1e-4).state_dict()
    wrapped = {"epoch": 7, "loss": 0.25, "best": None, "big": 2**70, "state_dict": tensors, "optimizer": optimiser}
    files = {
        "zip": saved(tensors),
        "zip-protocol-5": saved(dict(tensors), pickle_protocol=5),
        "legacy": saved(tensors, _use_new_zipfile_serialization=False),
        "legacy-protocol-4": saved(dict(tensors), _use_new_zipfile_serialization=False, pickle_protocol=4),
        "wrapped": saved(wrapped, _use_new_zipfile_serialization=False),
    }
    content = {"torch": torch.__version__, "files": files, "tensors": {k: described(v) for k, v in tensors.items()}}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pth.json"), "w") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")


main()
