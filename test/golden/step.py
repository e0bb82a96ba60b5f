"""The first training step of the article's networks in PyTorch. Run: /usr/bin/python3 step.py [preset]

Losses, and of every layer the norm of its gradient and some of its numbers, of `shibori train --preset article-256` and
`article-512-naive` with two pictures an identity out of sets of four. Weights, pictures, LPIPS's weights and the choice of
pictures are drawn by Philox on both sides; ../faceswap/article.test.ts has the other one. Stored are the values in float32,
and how far they are from those in float64: a right engine should be about as far away.
Takes about 10 GiB and some minutes.
"""
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import lpips
from philox import normal, uniform

SEED, BATCH, SET, ALPHA = 0, 2, 4, 0.1
STAGES, MID, CODE = [64, 128, 256, 512], 1024, 1024
SIZES = {"article-256": 256, "article-512-naive": 512}
PICTURE_STREAM = 1000
HERE = os.path.dirname(os.path.abspath(__file__))


def he(shape, fan_in, stream):
    """As nn/initialisation.ts: float32 normal numbers times a float64 deviation, rounded again. Native layout."""
    deviation = np.sqrt(2 / ((1 + ALPHA * ALPHA) * fan_in))
    count = int(np.prod(shape))
    return (normal(count, SEED, 0, stream).astype(np.float64) * deviation).astype(np.float32).reshape(shape)


def layers(size):
    """(name, kind, from, to, kernel, padding, output padding, activation), in the order of the parameters."""
    widths = [3, *STAGES, MID, CODE]
    encoder = [
        (f"encoder.{i}", "conv", a, b, 3, 1 if i < len(STAGES) else 0, 0, "none" if i == len(widths) - 2 else "leaky")
        for i, (a, b) in enumerate(zip(widths, widths[1:]))
    ]
    grid = size >> len(STAGES)
    middle = (grid - 3) // 2 + 1
    code = (middle - 3) // 2 + 1
    out = list(encoder)
    back = STAGES[::-1]
    for side in ("src", "dst"):
        shapes = [(CODE, MID, 3, 0, middle - (2 * (code - 1) + 3)), (MID, back[0], 3, 0, grid - (2 * (middle - 1) + 3))]
        shapes += [(a, b, 4, 1, 0) for a, b in zip(back, [*back[1:], 3])]
        for i, (a, b, k, p, op) in enumerate(shapes):
            out.append((f"{side}.{i}", "transposed", a, b, k, p, op, "sigmoid" if i == len(shapes) - 1 else "leaky"))
    return out


def weights(size):
    made, stream = {}, 0
    for name, kind, a, b, k, *_ in layers(size):
        shape, fan = ((k, k, a, b), k * k * a) if kind == "conv" else ((k, k, b, a), k * k * a / 4)
        made[name] = torch.from_numpy(he(shape, fan, stream)).permute(3, 2, 0, 1).contiguous()
        stream += 2  # weight and bias
    return made


def pictures(size):
    """Per identity the bytes of a set of four: coarse noise enlarged, so that there is something to see."""
    cell = size // 16
    sets = []
    for i in range(2):
        coarse = uniform(SET * 16 * 16 * 3, SEED, 0, PICTURE_STREAM + i).reshape(SET, 16, 16, 3)
        bytes_ = np.floor(coarse.astype(np.float64) * 256).astype(np.uint8)
        sets.append(bytes_.repeat(cell, 1).repeat(cell, 2))
    return sets


def batches(size, dtype):
    """What pick_pictures takes at step 1: the program's random streams 0 and 1."""
    chosen = []
    for i, whole in enumerate(pictures(size)):
        u = uniform(BATCH, SEED, 1, i)
        index = np.minimum((u.astype(np.float32) * np.float32(SET)).astype(int), SET - 1)
        rows = whole[index].astype(np.float32) / np.float32(255)
        chosen.append(torch.from_numpy(rows).permute(0, 3, 1, 2).to(dtype).contiguous())
    return chosen


def step(size, dtype):
    spec = layers(size)
    w = {n: t.to(dtype).requires_grad_() for n, t in weights(size).items()}
    b = {name: torch.zeros(to, dtype=dtype, requires_grad=True) for name, _, _, to, *_ in spec}
    network = lpips.alex_network(dtype)
    acts = {"leaky": lambda t: F.leaky_relu(t, ALPHA), "none": lambda t: t, "sigmoid": torch.sigmoid}

    def run(prefix, x):
        for name, kind, _, _, _, p, op, act in spec:
            if not name.startswith(prefix):
                continue
            if kind == "conv":
                x = F.conv2d(x, w[name], b[name], stride=2, padding=p)
            else:
                x = F.conv_transpose2d(x, w[name], b[name], stride=2, padding=p, output_padding=op)
            x = acts[act](x)
        return x

    src, dst = batches(size, dtype)
    z = run("encoder", torch.cat([src, dst]))
    zs, zd = z[:BATCH], z[BATCH:]
    drawn = [run("src", zs), run("dst", zd)]
    latent = ((zs.mean(0) - zd.mean(0)) ** 2).mean() + ((zs.var(0) - zd.var(0)) ** 2).mean()
    losses = {}
    for name, made, wanted in zip(("src", "dst"), drawn, (src, dst)):
        losses[f"l1.{name}"] = (made - wanted).abs().mean()
        losses[f"lpips-alex.{name}"] = lpips.distance(network, made, wanted)
    losses["latent"] = latent
    losses["loss"] = sum(losses.values())
    losses["loss"].backward()
    found = {f"{n}.weight": t.grad for n, t in w.items()} | {f"{n}.bias": t.grad for n, t in b.items()}
    return {k: v.item() for k, v in losses.items()}, {k: v.double().norm().item() for k, v in found.items()}


def golden(preset):
    size = SIZES[preset]
    losses, norms = step(size, torch.float64)
    losses32, norms32 = step(size, torch.float32)
    relative = lambda a, b: abs(a - b) / max(abs(b), 1e-30)
    digits = lambda d: {k: float(f"{v:.9g}") for k, v in d.items()}
    return dict(
        size=size, batch=BATCH, set=SET, losses=digits(losses), gradientNorms=digits(norms),
        float32Deviation=dict(losses=digits({k: relative(losses32[k], losses[k]) for k in losses}),
                              gradientNorms=digits({k: relative(norms32[k], norms[k]) for k in norms})),
    )


if __name__ == "__main__":
    path = os.path.join(HERE, "step.json")
    known = json.load(open(path)) if os.path.exists(path) else {}
    for preset in sys.argv[1:] or SIZES:
        known[preset] = golden(preset)
        with open(path, "w") as f:
            f.write(json.dumps(known, indent=1) + "\n")
