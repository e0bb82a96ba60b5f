"""Golden values of a tiny face-swap autoencoder and of Adam, from PyTorch. Run: /usr/bin/python3 generate.py

Everything random is drawn here by the project's own Philox (src/engine/philox.ts), so the fixtures hold results only.
Training runs in float64, whose values are stored, and in float32, whose distance from them is stored: a float32 engine
that is right should be about as far away as PyTorch's is.
"""
import json
import math
import os
import struct

import torch
import torch.nn.functional as F

SEED, STEPS, BATCH, SIZE, ALPHA = 1234, 10, 3, 16, 0.1
WEIGHT_SCALE, BIAS_SCALE = 0.3, 0.1
ADAM = dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8)
IMAGE_STREAMS = dict(src=100, dst=101)

ENCODER = [
    dict(op="conv2d", ci=3, co=5, kernel=3, stride=2, padding=1, activation="leakyRelu"),
    dict(op="conv2d", ci=5, co=6, kernel=3, stride=2, padding=0, activation="none"),
]
DECODER = [
    dict(op="convTranspose2d", ci=6, co=5, kernel=3, stride=2, padding=0, outputPadding=1, activation="leakyRelu"),
    dict(op="convTranspose2d", ci=5, co=3, kernel=4, stride=2, padding=1, outputPadding=0, activation="sigmoid"),
]
NETWORKS = dict(encoder=ENCODER, src=DECODER, dst=DECODER)


# ---------------------------------------------------------------- Philox4x32-10, as in src/engine/philox.ts
def philox(counter, key):
    (c0, c1, c2, c3), (k0, k1), mask = counter, key, 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & mask, (p0 >> 32) ^ c3 ^ k1, p0 & mask
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return c0, c1, c2, c3


def blocks(count, stream, step):
    key = (SEED & 0xFFFFFFFF, SEED >> 32)
    return [philox((b, step, stream, 0), key) for b in range((count + 3) // 4)]


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def uniform(count, stream, step):
    return [(w >> 8) * 2.0**-24 for words in blocks(count, stream, step) for w in words][:count]


def normal(count, stream, step):
    out = []
    for w in blocks(count, stream, step):
        for a, b in ((w[0], w[1]), (w[2], w[3])):
            radius, angle = math.sqrt(-2 * math.log((a + 0.5) / 2**32)), 2 * math.pi * ((b + 0.5) / 2**32)
            out += [f32(radius * math.cos(angle)), f32(radius * math.sin(angle))]
    return out[:count]


# ---------------------------------------------------------------- layouts: ours [kh][kw][a][b], torch's [b][a][kh][kw]
# For conv2d (a, b) = (ci, co), for convTranspose2d (co, ci): the same permutation for both.
def to_torch(t):
    return t.permute(3, 2, 0, 1).contiguous() if t.dim() == 4 else t


def to_native(t):
    return t.permute(2, 3, 1, 0).contiguous() if t.dim() == 4 else t


def nhwc(t):
    return t.permute(0, 2, 3, 1).contiguous()


def initial_parameters():
    """name -> native-layout float64 tensor of float32 values; parameter number p is drawn from stream p, step 0."""
    parameters = {}
    for network, layers in NETWORKS.items():
        for i, layer in enumerate(layers):
            k, ci, co = layer["kernel"], layer["ci"], layer["co"]
            shape = (k, k, ci, co) if layer["op"] == "conv2d" else (k, k, co, ci)
            for kind, shape, scale in (("weight", shape, WEIGHT_SCALE), ("bias", (co,), BIAS_SCALE)):
                values = normal(math.prod(shape), stream=len(parameters), step=0)
                values = [f32(v * scale) for v in values]
                parameters[f"{network}.{i}.{kind}"] = torch.tensor(values, dtype=torch.float64).reshape(shape)
    return parameters


def images(identity, step):
    values = uniform(BATCH * SIZE * SIZE * 3, IMAGE_STREAMS[identity], step)
    return torch.tensor(values, dtype=torch.float64).reshape(BATCH, SIZE, SIZE, 3)


# ---------------------------------------------------------------- training
def apply(network, parameters, x):
    for i, layer in enumerate(NETWORKS[network]):
        w, b = parameters[f"{network}.{i}.weight"], parameters[f"{network}.{i}.bias"]
        if layer["op"] == "conv2d":
            x = F.conv2d(x, w, b, layer["stride"], layer["padding"])
        else:
            x = F.conv_transpose2d(x, w, b, layer["stride"], layer["padding"], layer["outputPadding"])
        if layer["activation"] == "leakyRelu":
            x = F.leaky_relu(x, ALPHA)
        elif layer["activation"] == "sigmoid":
            x = torch.sigmoid(x)
    return x


def train(dtype):
    parameters = {k: to_torch(v).to(dtype).requires_grad_() for k, v in initial_parameters().items()}
    optimiser = torch.optim.Adam(parameters.values(), **ADAM)
    losses, step1 = [], None
    for step in range(1, STEPS + 1):
        x = {k: images(k, step).to(dtype).permute(0, 3, 1, 2) for k in IMAGE_STREAMS}
        z = {k: apply("encoder", parameters, x[k]) for k in x}
        y = {k: apply(k, parameters, z[k]) for k in x}
        l1 = {k: (y[k] - x[k]).abs().mean() for k in x}
        a, b = z["src"], z["dst"]
        latent = ((a.mean(0) - b.mean(0)) ** 2).mean() + ((a.var(0) - b.var(0)) ** 2).mean()
        total = l1["src"] + l1["dst"] + latent
        optimiser.zero_grad()
        total.backward()
        losses.append(dict(total=total.item(), src=l1["src"].item(), dst=l1["dst"].item(), latent=latent.item()))
        if step == 1:
            step1 = dict(
                latent={k: nhwc(v.detach()) for k, v in z.items()},
                reconstruction={k: nhwc(v.detach()) for k, v in y.items()},
                gradients={k: to_native(v.grad.clone()) for k, v in parameters.items()},
            )
        optimiser.step()
    return dict(losses=losses, step1=step1, parameters={k: to_native(v.detach()) for k, v in parameters.items()})


def deviation(a, b):
    """Greatest difference over greatest value, the worst of a dict of tensors."""
    return max(float((a[k].double() - b[k]).abs().max() / b[k].abs().max()) for k in b)


# ---------------------------------------------------------------- Adam on its own: decay is not in the training above
def adam_cases():
    shape, steps = 7, 5
    start = [f32(v) for v in normal(shape, stream=200, step=0)]
    gradients = [normal(shape, stream=201, step=t) for t in range(1, steps + 1)]
    cases = []
    for name, optimiser in (("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)):
        p = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        settings = dict(lr=0.03, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.2)
        o, path = optimiser([p], **settings), []
        for g in gradients:
            p.grad = torch.tensor(g, dtype=torch.float64)
            o.step()
            path.append(p.detach().clone())
        cases.append(dict(optimiser=name, **settings, start=start, gradients=gradients, parameters=path))
    return cases


# ---------------------------------------------------------------- writing
def compact(x):
    """Plain JSON values, numbers to 9 significant digits."""
    if isinstance(x, torch.Tensor):
        return compact(x.flatten().tolist())
    if isinstance(x, dict):
        return {k: compact(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [compact(v) for v in x]
    return float(f"{x:.9g}") if isinstance(x, float) else x


def with_shapes(tensors):
    return {k: dict(shape=list(v.shape), data=v) for k, v in tensors.items()}


def write(name, value):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with open(path, "w") as f:
        json.dump(compact(value), f, separators=(",", ":"))
        f.write("\n")
    print(f"{name}: {os.path.getsize(path)} bytes")


def main():
    torch.set_num_threads(1)
    exact, single = train(torch.float64), train(torch.float32)
    float32 = dict(
        losses=[abs(a["total"] - b["total"]) / b["total"] for a, b in zip(single["losses"], exact["losses"])],
        parameters=deviation(single["parameters"], exact["parameters"]),
        **{k: deviation(single["step1"][k], exact["step1"][k]) for k in exact["step1"]},
    )
    print("float32 from float64, relative:", json.dumps(compact(float32)))
    config = dict(
        seed=SEED, steps=STEPS, batch=BATCH, size=SIZE, alpha=ALPHA, weightScale=WEIGHT_SCALE, biasScale=BIAS_SCALE,
        imageStreams=IMAGE_STREAMS, networks=NETWORKS, latentWeight=1, latentPooling="element",
        adam=dict(learningRate=ADAM["lr"], betas=ADAM["betas"], epsilon=ADAM["eps"]),
    )
    write("autoencoder.json", dict(
        config=config,
        losses=exact["losses"],
        step1={k: with_shapes(v) for k, v in exact["step1"].items()},
        parameters=with_shapes(exact["parameters"]),
        float32Deviation={k: [float(f"{x:.1e}") for x in v] if isinstance(v, list) else float(f"{v:.1e}")
                          for k, v in float32.items()},
    ))
    write("adam.json", adam_cases())


if __name__ == "__main__":
    main()
