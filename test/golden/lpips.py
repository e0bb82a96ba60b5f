"""Golden values of LPIPS, of the random-feature loss, and of their gradients, from PyTorch. Run: /usr/bin/python3 test/golden/lpips.py

The trunks are written out as torchvision's `features`, the distance as the lpips package computes it (version 0.1). Their
weights and the pictures are drawn by Philox on both sides (../faceswap/perceptual/philoxNetwork.ts), so lpips.json holds
results only: the value, the norm of the gradient by x, every so many of its numbers (NHWC), in float64 to 9 digits, and how
far PyTorch's float32 is from them at most, over six pairs of pictures.
"""
import math

import numpy as np
import torch
import torch.nn as nn

import philox

SEED, WEIGHT_STREAM, PICTURE_STREAM, BIAS_SCALE, SAMPLES, DRAWS = 4321, 2000, 1900, 0.1, 150, 6
SHAPES = dict(alex=(2, 67, 71, 3), vgg=(1, 35, 37, 3), squeeze=(2, 49, 46, 3), random=(2, 13, 18, 3))
TAPS = dict(alex=(1, 4, 7, 9, 11), vgg=(3, 8, 15, 22, 29), squeeze=(1, 4, 7, 9, 10, 11, 12))


# ---------------------------------------------------------------- trunks, as torchvision builds them
def conv(i, o, k, **options):
    return [nn.Conv2d(i, o, k, **options), nn.ReLU()]


class Fire(nn.Module):
    def __init__(self, i, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(i, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.expand1x1(x)), torch.relu(self.expand3x3(x))], 1)


def alex():
    return nn.Sequential(
        *conv(3, 64, 11, stride=4, padding=2), nn.MaxPool2d(3, 2), *conv(64, 192, 5, padding=2), nn.MaxPool2d(3, 2),
        *conv(192, 384, 3, padding=1), *conv(384, 256, 3, padding=1), *conv(256, 256, 3, padding=1))


def vgg():
    layers, i = [], 3
    for o in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512):
        layers += conv(i, o, 3, padding=1) if o else [nn.MaxPool2d(2, 2)]
        i = o or i
    return nn.Sequential(*layers)


def squeeze():
    pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)
    return nn.Sequential(
        *conv(3, 64, 3, stride=2), pool(), Fire(64, 16, 64), Fire(128, 16, 64), pool(), Fire(128, 32, 128),
        Fire(256, 32, 128), pool(), Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256))


def network(kind, dtype):
    """Trunk and linear weights; tensor number i, trunk first, is drawn from stream WEIGHT_STREAM + i."""
    trunk = dict(alex=alex, vgg=vgg, squeeze=squeeze)[kind]().to(dtype)
    stream = WEIGHT_STREAM
    for _, p in trunk.named_parameters():
        scale = BIAS_SCALE if p.dim() == 1 else math.sqrt(2 / p[0].numel())
        drawn = philox.normal(p.numel(), SEED, 0, stream).astype(np.float64) * scale
        p.data = torch.from_numpy(drawn.astype(np.float32)).reshape(p.shape).to(dtype)
        p.requires_grad_(False)
        stream += 1
    lins, x = [], torch.zeros(1, 3, 64, 64, dtype=dtype)
    for i, layer in enumerate(trunk):
        x = layer(x)
        if i in TAPS[kind]:
            lins.append(torch.from_numpy(philox.uniform(x.shape[1], SEED, 0, stream)).to(dtype))
            stream += 1
    return dict(kind=kind, trunk=trunk, lins=lins)


def alex_network(dtype):
    return network("alex", dtype)


# ---------------------------------------------------------------- the distance
def features(net, x):
    shift, scale = (torch.tensor(v, dtype=x.dtype)[None, :, None, None] for v in ((-.030, -.088, -.188), (.458, .448, .450)))
    x = (2 * x - 1 - shift) / scale
    for i, layer in enumerate(net["trunk"]):
        x = layer(x)
        if i in TAPS[net["kind"]]:
            yield x / (torch.sqrt(torch.sum(x**2, dim=1, keepdim=True)) + 1e-10)


def distance(net, x, y):
    """Of pictures [N, 3, H, W] in [0, 1], the mean over the batch."""
    apart = 0
    for fx, fy, w in zip(features(net, x), features(net, y), net["lins"]):
        apart = apart + ((fx - fy) ** 2 * w[None, :, None, None]).sum(1).mean((1, 2))
    return apart.mean()


# ---------------------------------------------------------------- the random-feature loss (randomFeatures.ts)
RANDOM_STREAM, ALPHA = 0x52460000, 0.1
RANDOM_LAYERS = [(3, 16, 1, False), (16, 16, 1, True), (16, 32, 2, False), (32, 32, 1, True), (32, 64, 2, True)]


def random_features(x):
    x = 2 * x - 1
    for i, (a, b, stride, tap) in enumerate(RANDOM_LAYERS):
        drawn = philox.normal(9 * a * b, SEED, 0, RANDOM_STREAM + 2 * i).astype(np.float64) * math.sqrt(2 / (1.01 * 9 * a))
        w = torch.from_numpy(drawn.astype(np.float32)).reshape(3, 3, a, b).permute(3, 2, 0, 1).to(x.dtype)
        bias = torch.from_numpy(philox.normal(b, SEED, 0, RANDOM_STREAM + 2 * i + 1) * np.float32(0.5)).to(x.dtype)
        x = nn.functional.leaky_relu(nn.functional.conv2d(x, w, bias, stride, 1), ALPHA)
        if tap:
            yield x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10)


def random_distance(x, y):
    apart = [((a - b) ** 2).sum(1).mean() for a, b in zip(random_features(x), random_features(y))]
    return sum(apart) / len(apart)


def picture(kind, which, draw, dtype):
    shape = SHAPES[kind]
    values = philox.uniform(math.prod(shape), SEED, draw, PICTURE_STREAM + which).reshape(shape)
    return torch.from_numpy(values).permute(0, 3, 1, 2).contiguous().to(dtype)


def evaluate(kind, dtype):
    """For each of some pairs of pictures, the value and the gradient."""
    net, results = None if kind == "random" else network(kind, dtype), []
    for draw in range(DRAWS):
        x, y = picture(kind, 0, draw, dtype).requires_grad_(), picture(kind, 1, draw, dtype)
        value = distance(net, x, y) if net else random_distance(x, y)
        value.backward()
        results.append((value.item(), x.grad.permute(0, 2, 3, 1).double().flatten()))
    return results


def least(kind):
    """The smallest picture that the trunk takes."""
    if kind == "random":
        return 1
    trunk = dict(alex=alex, vgg=vgg, squeeze=squeeze)[kind]()
    size = 1
    while True:
        try:
            trunk(torch.zeros(1, 3, size, size))
            return size
        except RuntimeError:
            size += 1


def deviation(single, exact):
    """Of the value, of the gradient (greatest difference over greatest number) and of its norm, relative."""
    (value32, gradient32), (value, gradient) = single, exact
    return dict(
        value=abs(value32 - value) / value,
        gradient=float((gradient32 - gradient).abs().max() / gradient.abs().max()),
        gradientNorm=float(abs(gradient32.norm() - gradient.norm()) / gradient.norm()),
    )


def golden(kind):
    exact, single = evaluate(kind, torch.float64), evaluate(kind, torch.float32)
    # A value alone may be right by luck: the worst of some pairs. Stored are the results of the first one.
    deviations = [deviation(*both) for both in zip(single, exact)]
    worst = {k: float(f"{max(d[k] for d in deviations):.1e}") for k in deviations[0]}
    value, gradient = exact[0]
    every = len(gradient) // SAMPLES
    result = dict(shape=SHAPES[kind], leastSize=least(kind), value=value, gradientNorm=gradient.norm().item(),
                  every=every, gradient=gradient[::every], float32Deviation=worst)
    print(kind, result["leastSize"], value, result["gradientNorm"], worst)
    return result


def main():
    from generate import write

    torch.set_num_threads(1)
    philox.check()
    write("lpips.json", dict(seed=SEED, weightStream=WEIGHT_STREAM, pictureStream=PICTURE_STREAM, biasScale=BIAS_SCALE,
                             cases={kind: golden(kind) for kind in SHAPES}))


if __name__ == "__main__":
    main()
