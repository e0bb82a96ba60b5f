"""Golden values and gradients of the losses on codes, from PyTorch. Run: /usr/bin/python3 test/golden/code.py

Codes and weights are drawn by Philox as in generate.py, so code.json holds results only: values and gradients in float64,
to 9 digits, and how far PyTorch's float32 is from them (greatest difference over greatest value, the worst of all cases).
The formulas are written the direct way: d x d covariances, all distances between codes, torch's own cross-entropy.
"""
import math

import torch
import torch.nn.functional as F

from generate import SEED, f32, normal, uniform, write

CODE_STREAM, HIDDEN, ALPHA, FACTOR = 300, 64, 0.1, 0.375
SHAPES = [(4, 2, 2, 3), (5, 6)]
IDENTITIES = [2, 3]


def code(shape, stream, k=0):
    """Uniform, wider and higher for each identity k."""
    values = [f32((2 * u - 1) * (1 + k / 4) + k / 8) for u in uniform(math.prod(shape), stream, 0)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def classifier(inputs, identities):
    """The He weights of identityClassifier(): parameter p from stream p; the biases, 1 and 3, are zero."""
    def he(shape, stream):
        deviation = math.sqrt(2 / ((1 + ALPHA * ALPHA) * shape[0]))
        return torch.tensor([f32(v * deviation) for v in normal(math.prod(shape), stream, 0)], dtype=torch.float64).reshape(shape)
    return dict(w0=he((inputs, HIDDEN), 0), b0=torch.zeros(HIDDEN, dtype=torch.float64),
                w1=he((HIDDEN, identities), 2), b1=torch.zeros(identities, dtype=torch.float64))


def pairs(loss):
    def over(*codes):
        terms = [loss(a, b, codes) for i, a in enumerate(codes) for b in codes[i + 1:]]
        return sum(terms) / len(terms)
    return over


def latent(axes):
    return pairs(lambda a, b, _: ((a.mean(axes(a)) - b.mean(axes(a))) ** 2).mean() + ((a.var(axes(a)) - b.var(axes(a))) ** 2).mean())


def covariance(x):
    x = x.flatten(1)
    x = x - x.mean(0)
    return x.T @ x / (len(x) - 1)


@pairs
def coral(a, b, _):
    return ((covariance(a) - covariance(b)) ** 2).sum() / (4 * a[0].numel() ** 2)


def distances(a, b):
    return ((a.flatten(1)[:, None] - b.flatten(1)[None]) ** 2).sum(2)


@pairs
def mmd(a, b, codes):
    everything = torch.cat([c.flatten(1) for c in codes])
    m = len(everything)
    s = (distances(everything, everything).sum() / (m * (m - 1))).detach()

    def k(p, q):
        return sum(torch.exp(-distances(p, q) / (beta * s)) for beta in (0.25, 0.5, 1, 2, 4)).mean() / 5
    return k(a, a) + k(b, b) - 2 * k(a, b)


def adversary(*inputs):
    codes, (w0, b0, w1, b1) = inputs[:-4], inputs[-4:]
    rows = torch.cat([c.flatten(1) for c in codes])
    reversed_ = -FACTOR * rows + (rows + FACTOR * rows).detach()
    logits = F.leaky_relu(reversed_ @ w0 + b0, ALPHA) @ w1 + b1
    truth = torch.arange(len(codes)).repeat_interleave(len(codes[0]))
    return F.cross_entropy(logits, truth)


def vib(m, v):
    q = torch.distributions.Normal(m, torch.exp(v / 2))
    return torch.distributions.kl_divergence(q, torch.distributions.Normal(torch.zeros_like(m), torch.ones_like(m))).mean()


def consistency(codes, again):
    return F.mse_loss(again, codes.detach()) / (codes.detach().var(0).mean() + 1e-4)


def evaluate(loss, inputs, dtype):
    leaves = [x.to(dtype).clone().requires_grad_() for x in inputs]
    value = loss(*leaves)
    value.backward()
    return [value.detach()] + [torch.zeros_like(x) if x.grad is None else x.grad for x in leaves]


def run(name, loss, inputs, deviations):
    exact, single = (evaluate(loss, inputs, dtype) for dtype in (torch.float64, torch.float32))
    for a, b in zip(single, exact):
        if b.abs().max() > 0:
            deviation = float((a.double() - b).abs().max() / b.abs().max())
            deviations[name] = max(deviations.get(name, 0), deviation)
    value, *gradients = exact
    # The classifier's first weights are many: every 16th number of their gradient will do.
    return dict(value=float(value), gradients=[g.flatten()[::16] if len(g.flatten()) > 256 else g for g in gradients])


def main():
    torch.set_num_threads(1)
    cases, deviations = [], {}
    for shape in SHAPES:
        for k in IDENTITIES:
            codes = [code(shape, CODE_STREAM + i, i) for i in range(k)]
            losses = {"latent element": latent(lambda x: (0,)), "latent channel": latent(lambda x: tuple(range(x.dim() - 1))),
                      "coral": coral, "mmd": mmd}
            results = {name: run(name, loss, codes, deviations) for name, loss in losses.items()}
            weights = list(classifier(codes[0][0].numel(), k).values())
            results["adversary"] = run("adversary", adversary, codes + weights, deviations)
            if k == 2:
                results["vib"] = run("vib", vib, codes, deviations)
                results["consistency"] = run("consistency", consistency, codes, deviations)
            cases.append(dict(shape=shape, identities=k, results=results))
    deviations = {k: float(f"{v:.1e}") for k, v in deviations.items()}
    print("float32 from float64, relative:", deviations)
    write("code.json", dict(seed=SEED, codeStream=CODE_STREAM, factor=FACTOR, cases=cases, float32Deviation=deviations))


if __name__ == "__main__":
    main()
