"""Golden values and gradients of the picture losses, from PyTorch. Run: /usr/bin/python3 test/golden/ssim.py

Pictures and weights are drawn by Philox as in generate.py, so ssim.json holds results only: values and gradients in float64,
to 9 digits, of large pictures every so many-th number, and how far PyTorch's float32 is from them (greatest difference over
greatest value, the worst of value and gradients). Tensors are [N, C, H, W] here and NHWC in the file.
"""
import math

import torch
import torch.nn.functional as F

from generate import SEED, nhwc, uniform, write

STREAM, KEEP = 400, 150
C1, C2 = 0.01**2, 0.03**2
SCALES = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
# name -> shape [N, H, W, C], weighted
CASES = [
    ("ssim", (2, 14, 19, 3), False),
    ("msSsim", (1, 163, 167, 3), False),
    ("dssim", (2, 13, 15, 3), False),
    ("dssim", (2, 12, 16, 3), True),
    ("gradientDifference", (2, 7, 9, 3), False),
    ("gradientDifference", (2, 6, 5, 3), True),
    ("l1", (2, 5, 6, 3), True),
    ("mse", (2, 5, 6, 3), True),
]


def picture(shape, stream):
    t = torch.tensor(uniform(math.prod(shape), stream, 0), dtype=torch.float64)
    return t.reshape(shape).permute(0, 3, 1, 2).contiguous()


def inputs(shape, weighted):
    """x, y = 3/4 x + 1/4 noise, rounded to float32, and weights of 0 to 3, coarsely rounded so that they are exact."""
    x, noise = picture(shape, STREAM), picture(shape, STREAM + 1)
    y = (0.75 * x + 0.25 * noise).float().double()
    w = [(picture((*shape[:3], 1), STREAM + 2) * 24).floor() / 8] if weighted else []
    return [x, y, *w]


def gaussian(x):
    row = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
    row = (row / row.sum()).to(x.dtype)
    window = torch.outer(row, row).expand(x.shape[1], 1, 11, 11)
    return F.conv2d(x, window, groups=x.shape[1])


def parts(x, y, p):
    mx, my = p(x), p(y)
    vx, vy, vxy = p(x * x) - mx * mx, p(y * y) - my * my, p(x * y) - mx * my
    cs = (2 * vxy + C2) / (vx + vy + C2)
    return cs, cs * (2 * mx * my + C1) / (mx * mx + my * my + C1)


def ssim(x, y):
    return parts(x, y, gaussian)[1].mean()


def ms_ssim(x, y):
    product = 1
    for i, weight in enumerate(SCALES):
        if i > 0:
            padding = [n % 2 for n in x.shape[2:]]
            x, y = F.avg_pool2d(x, 2, 2, padding), F.avg_pool2d(y, 2, 2, padding)
        s = parts(x, y, gaussian)[i == len(SCALES) - 1].mean((2, 3))
        product = product * s.clamp(min=1e-4) ** weight
    return product.mean()


def dssim(x, y, w=None):
    p = lambda t: F.avg_pool2d(t, 6, 3)
    q = parts(x, y, p)[1]
    return ((1 - q) / 2 if w is None else p(w) * (1 - q) / 2).mean()


def gradient_difference(x, y, w=None):
    d = x - y
    w = torch.ones_like(d[:, :1]) if w is None else w
    across, down = d[..., 1:] - d[..., :-1], d[..., 1:, :] - d[..., :-1, :]
    return (w[..., 1:] * across.abs()).mean() + (w[..., 1:, :] * down.abs()).mean()


LOSSES = dict(
    ssim=ssim, msSsim=ms_ssim, dssim=dssim, gradientDifference=gradient_difference,
    l1=lambda x, y, w: (w * (x - y).abs()).mean(), mse=lambda x, y, w: (w * (x - y) ** 2).mean(),
)


def evaluate(loss, given, dtype):
    leaves = [t.to(dtype).clone().requires_grad_() for t in given]
    value = loss(*leaves)
    value.backward()
    return [value.detach()] + [nhwc(t.grad) for t in leaves]


def stride(count):
    """About KEEP numbers are stored, of all channels and columns alike."""
    k = -(-count // KEEP)
    while k > 1 and math.gcd(k, 6) > 1:
        k += 1
    return k


def main():
    torch.set_num_threads(1)
    cases = []
    for name, shape, weighted in CASES:
        given = inputs(shape, weighted)
        exact, single = (evaluate(LOSSES[name], given, dtype) for dtype in (torch.float64, torch.float32))
        off = [float((a.double() - b).abs().max() / b.abs().max()) for a, b in zip(single, exact)]
        value, *gradients = exact
        every = [stride(g.numel()) for g in gradients]
        cases.append(dict(loss=name, shape=shape, weighted=weighted, value=float(value), every=every,
                          gradients=[g.flatten()[::k] for g, k in zip(gradients, every)],
                          float32Deviation=float(f"{max(off):.1e}")))
        print(name, shape, float(value), cases[-1]["float32Deviation"])
    write("ssim.json", dict(seed=SEED, stream=STREAM, cases=cases))


if __name__ == "__main__":
    main()
