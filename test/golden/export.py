"""What PyTorch computes from exported files. Run: /usr/bin/python3 export.py

The files come from the project's own code (export.ts). The Python of docs/export.md is run as it stands there, for each
network: its module in float64, whose results are stored, then its example. So the document is tested, and so is that
every tensor of a file finds its place: the example loads strictly.
"""
import base64
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import types

import torch
from PIL import Image

sys.dont_write_bytecode = True  # of generate.py: the folder is not ignored by git
from generate import SEED, nhwc, uniform, write

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BATCH, PICTURES = 2, 100  # as in export.ts
# Of the pictures every 23rd number is stored: that comes past all rows, columns and channels.
EVERY = 23


# ---------------------------------------------------------------- the files
def exported_files():
    """Name -> the bytes that `shibori export` writes, by bundling export.ts for node."""
    script = """
      import { exported, NETWORKS } from "./test/golden/export.ts";
      const encode = (name) => [name, Buffer.from(exported(name)).toString("base64")];
      process.stdout.write(JSON.stringify(Object.fromEntries(Object.keys(NETWORKS).map(encode))));
    """
    options = ["--bundle", "--format=esm", "--platform=node", "--packages=external", "--loader:.wgsl=text"]
    bundled = subprocess.run(["node_modules/.bin/esbuild", *options], input=script.encode(), stdout=subprocess.PIPE,
                             cwd=ROOT, check=True).stdout
    printed = subprocess.run(["node", "--input-type=module", "-"], input=bundled, stdout=subprocess.PIPE,
                             cwd=ROOT, check=True).stdout
    return {name: base64.b64decode(text) for name, text in json.loads(printed).items()}


def read_safetensors(path):
    """Tensors and metadata. https://github.com/huggingface/safetensors, section "Format"."""
    content = open(path, "rb").read()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:start])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        data = bytearray(content[start + begin:start + end])
        tensors[name] = torch.frombuffer(data, dtype={"F32": torch.float32}[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def stand_in_for_safetensors():
    """Debian has no safetensors for Python: what the document uses of it, where it is not installed."""
    try:
        import safetensors.torch
    except ImportError:
        class Opened:
            def __init__(self, path, framework):
                self.metadata = lambda: read_safetensors(path)[1]
            __enter__ = lambda self: self
            __exit__ = lambda self, *_: None
        package, module = types.ModuleType("safetensors"), types.ModuleType("safetensors.torch")
        package.safe_open, module.load_file = Opened, lambda path: read_safetensors(path)[0]
        sys.modules.update({"safetensors": package, "safetensors.torch": module})


# ---------------------------------------------------------------- the document
def documented():
    """The document's Python: the module, and the example that loads it."""
    with open(os.path.join(ROOT, "docs/export.md")) as f:
        module, example = re.findall(r"```python\n(.*?)```", f.read(), re.S)
    return module, example


def run(content):
    """Results of the documented module for one file, and a swap by the documented example, checked against it."""
    module, example = documented()
    scope = {}
    exec(module, scope)
    with open("weights.safetensors", "wb") as f:
        f.write(content)
    tensors, metadata = read_safetensors("weights.safetensors")
    assert metadata["format"] == "pt"
    others = {"encoder", "down", "up", "log_variance"}
    identities = [name for name in dict.fromkeys(name.split(".")[0] for name in tensors) if name not in others]
    model = scope["Autoencoder"](**json.loads(metadata["architecture"]), identities=identities).double()
    model.load_state_dict({k: v.double() for k, v in tensors.items()}, strict=True)
    size = model.size
    x = torch.tensor(uniform(BATCH * size * size * 3, PICTURES, 0), dtype=torch.float64)
    x = x.reshape(BATCH, size, size, 3).permute(0, 3, 1, 2)
    with torch.no_grad():
        z, log_variance = model.distribution(x)
        assert torch.equal(z, model.encode(x))
        y = {identity: model.decode(z, identity) for identity in identities}
    assert all(v.shape == x.shape for v in y.values())

    picture = (x[0].permute(1, 2, 0) * 255).round()
    Image.fromarray(picture.byte().numpy()).save("face.png")
    exec(example, scope)
    with torch.no_grad():
        swapped = model.decode(model.encode(picture.permute(2, 0, 1)[None] / 255), "dst")[0].permute(1, 2, 0) * 255
    pixels = torch.tensor(list(Image.open("swapped.png").getdata())).reshape(size, size, 3)
    off = float((pixels - swapped).abs().max())
    print(f"code {list(z.shape)} {float(z.min()):.3g} … {float(z.max()):.3g}; pictures "
          f"{min(float(v.min()) for v in y.values()):.3g} … {max(float(v.max()) for v in y.values()):.3g}; "
          f"the example's pixels are off by {off:.4f} levels")
    assert off < 0.501  # half a level is rounding
    codes = dict(code=z) if log_variance is None else dict(code=z, logVariance=log_variance)
    return dict({name: nhwc(v) if v.dim() == 4 else v for name, v in codes.items()},
                **{identity: nhwc(v).flatten()[::EVERY] for identity, v in y.items()})


def main():
    torch.set_num_threads(1)
    stand_in_for_safetensors()
    files, networks = exported_files(), {}
    for name, content in files.items():
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            networks[name] = dict(file=hashlib.sha256(content).hexdigest(), results=run(content))
            os.chdir(ROOT)
    code = hashlib.sha256("".join(documented()).encode()).hexdigest()
    write("export.json", dict(document=code, seed=SEED, every=EVERY, networks=networks))


if __name__ == "__main__":
    main()
