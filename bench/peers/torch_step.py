"""A training step in PyTorch, timed: of a Shibori preset, or of the reference autoencoder that `npm run bench:peers` times.

    shibori inspect --preset avatar-64 --json > avatar-64.json
    python3 torch_step.py avatar-64.json                # network, losses and batch from the file alone
    python3 torch_step.py --reference --json times.json
    python3 torch_step.py avatar-64.json --modes bf16 --channels-last --compile reduce-overhead

Modes: fp32 (no TF32), tf32 (CUDA only), fp16 (CUDA only, with loss scaling), bf16 (both by autocast). Needs torch from
1.13 on and numpy, and nothing of Shibori but the JSON file. Pictures are random and stay on the device: what is timed is
forward, losses, gradients and Adam. LPIPS gets random weights, which take the same time.
"""
import argparse
import contextlib
import json
import platform
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SAMPLES, SAMPLE_SECONDS, WARM_UP = 7, 0.5, 5


class BadInput(Exception):
    """A mistake of the person who called us: one line, exit code 2."""


# --- network --------------------------------------------------------------------------------------------------------


class Layer(nn.Module):
    """One entry of `layers`; `padding` is a number, or (before, after)."""

    def __init__(self, spec):
        super().__init__()
        self.spec = spec
        kind, a, b, k = spec["kind"], spec["from"], spec["to"], spec["kernel"]
        before, after = spec["padding"] if isinstance(spec["padding"], (list, tuple)) else (spec["padding"],) * 2
        self.pad = (before, after, before, after) if before != after else None
        padding = 0 if self.pad else before
        area = lambda extent: extent["height"] * extent["width"]
        if kind == "conv":
            self.weighted = nn.Conv2d(a, b, k, spec["stride"], padding)
        elif kind == "transposed":
            self.weighted = nn.ConvTranspose2d(a, b, k, spec["stride"], padding, spec["outputPadding"])
        elif kind == "dense":
            self.weighted = nn.Linear(a * area(spec["input"]), b * area(spec["output"]))
        elif kind in ("average", "shuffle", "resize", "crop"):
            self.weighted = None
        else:
            raise BadInput(f'layer {spec["name"]} is of kind "{kind}", which this script does not know')

    def forward(self, x):
        kind, height, width = self.spec["kind"], self.spec["output"]["height"], self.spec["output"]["width"]
        if kind == "average":
            x = F.avg_pool2d(x, self.spec["kernel"])
        elif kind == "shuffle":
            x = F.pixel_shuffle(x, 2)
        elif kind == "resize":
            x = F.interpolate(x, size=(height, width), mode="nearest")
        elif kind == "crop":
            x = x[:, :, :height, :width]
        elif kind == "dense":
            x = self.weighted(x.flatten(1)).view(x.shape[0], self.spec["to"], height, width)
        else:
            x = self.weighted(F.pad(x, self.pad) if self.pad else x)
        activation = self.spec["activation"]
        if isinstance(activation, dict):
            return F.leaky_relu(x, activation["leakyRelu"])
        return {"none": lambda t: t, "sigmoid": torch.sigmoid, "relu": F.relu, "tanh": torch.tanh}[activation](x)


class Autoencoder(nn.Module):
    """The shared encoder once over all pictures, then each identity's decoder over its own."""

    def __init__(self, layers, identities):
        super().__init__()
        of = lambda role: [Layer(s) for s in layers if s["role"] == role]
        self.identities = identities
        self.encoder, self.widen = nn.ModuleList(of("encoder")), nn.Sequential(*of("widen"))
        self.log_variance = nn.Sequential(*of("logVariance"))
        decoders = [
            nn.Sequential(*(Layer(s) for s in layers if s["role"] == "decoder" and s["identity"] == identity))
            for identity in identities
        ]
        self.decoders = nn.ModuleList(decoders)

    def forward(self, pictures):
        """[identities · batch, 3, S, S] to what was drawn, the codes' means, and the log variance of sampled codes."""
        x = pictures
        for layer in self.encoder[:-1]:
            x = layer(x)
        mean = code = self.encoder[-1](x)
        log_variance = self.log_variance(x) if len(self.log_variance) else None
        if log_variance is not None:
            code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        code_of = self.widen(code).chunk(len(self.identities))
        return torch.cat([decode(z) for decode, z in zip(self.decoders, code_of)]), code, mean, log_variance


# --- losses ---------------------------------------------------------------------------------------------------------


def dssim(x, y):
    """(1 − SSIM) / 2 over plain 6-pixel windows, stride 3."""
    of = lambda t: F.avg_pool2d(t, 6, 3)
    mx, my = of(x), of(y)
    vx, vy, vxy = of(x * x) - mx * mx, of(y * y) - my * my, of(x * y) - mx * my
    similarity = (2 * mx * my + 1e-4) * (2 * vxy + 9e-4) / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4))
    return (1 - similarity).mean() / 2


def gradient_difference(x, y):
    d = x - y
    return d.diff(dim=2).abs().mean() + d.diff(dim=3).abs().mean()


class LpipsAlex(nn.Module):
    """LPIPS over AlexNet's five features, with random weights: for its time, not for its value."""

    def __init__(self):
        super().__init__()
        shapes = [(3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1)]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, k, s, p) for a, b, k, s, p in shapes)
        self.linear = nn.ModuleList(nn.Conv2d(b, 1, 1, bias=False) for _, b, *_ in shapes)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def features(self, x):
        x = (2 * x - 1 - self.shift) / self.scale
        for i, convolution in enumerate(self.convolutions):
            x = F.relu(convolution(F.max_pool2d(x, 3, 2) if i in (1, 2) else x))
            yield x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)

    def forward(self, x, y):
        pairs = zip(self.linear, self.features(x), self.features(y))
        return sum(linear((a - b).square()).mean() for linear, a, b in pairs)


def latent_statistics(codes, statistics):
    """Squared differences of the identities' batch means and variances, averaged over pairs of identities."""
    axes = (0, 2, 3) if statistics == "channel" else (0,)
    stats = [(z.mean(axes), z.var(axes)) for z in codes]
    pairs = [(a, b) for i, a in enumerate(stats) for b in stats[i + 1 :]]
    return sum((a[0] - b[0]).square().mean() + (a[1] - b[1]).square().mean() for a, b in pairs) / len(pairs)


PICTURE_LOSSES = {
    "l1": lambda: F.l1_loss,
    "mse": lambda: F.mse_loss,
    "dssim": lambda: dssim,
    "gradient-difference": lambda: gradient_difference,
    "lpips-alex": LpipsAlex,
}


class Losses(nn.Module):
    """The weighted sum of those losses of a preset that this script knows; `left_out` names the others."""

    def __init__(self, config):
        super().__init__()
        weights = {name: weight for name, weight in config["lossWeights"].items() if weight}
        known = {*PICTURE_LOSSES, "latent", "vib"}
        self.left_out = [name for name in weights if name not in known]
        if config.get("regionWeight"):
            self.left_out.append(f'regionWeight {config["regionWeight"]}')
        self.weights = {name: weight for name, weight in weights.items() if name in known}
        if not self.weights:
            raise BadInput(f"none of the losses ({', '.join(weights)}) can be rebuilt here")
        self.statistics = config.get("latentStatistics", "element")
        self.parts = {name: make() for name, make in PICTURE_LOSSES.items() if name in self.weights}
        self.modules_ = nn.ModuleList(part for part in self.parts.values() if isinstance(part, nn.Module))

    def forward(self, drawn, pictures, code, mean, log_variance, identities):
        total = 0.0
        for name, weight in self.weights.items():
            if name == "latent":
                total = total + weight * latent_statistics(code.float().chunk(identities), self.statistics)
            elif name == "vib":
                lv, mu = log_variance.float(), mean.float()
                total = total + weight * 0.5 * (mu.square() + lv.exp() - 1 - lv).mean()
            else:
                # All identities at once: the sum of their means.
                total = total + weight * identities * self.parts[name](drawn, pictures)
        return total


# --- the reference autoencoder --------------------------------------------------------------------------------------

#        kind       k  in  out  padding from to
REFERENCE = [
    ("conv", 5, 3, 32, (1, 2), 64, 32),
    ("conv", 5, 32, 64, (1, 2), 32, 16),
    ("conv", 3, 64, 128, 0, 16, 7),
    ("conv", 3, 128, 128, 0, 7, 3),
    ("transposed", 3, 128, 128, 0, 3, 7),
    ("transposed", 4, 128, 64, 0, 7, 16),
    ("transposed", 4, 64, 32, 1, 16, 32),
    ("transposed", 4, 32, 3, 1, 32, 64),
]


def reference():
    """As `shibori inspect --json` would describe it."""
    square = lambda n: {"height": n, "width": n}
    layers = [
        {
            **{"name": f"layer{i + 1}", "kind": kind, "kernel": k, "from": a, "to": b, "stride": 2, "padding": padding},
            **{"outputPadding": 0, "input": square(small), "output": square(large)},
            **({"role": "encoder"} if i < 4 else {"role": "decoder", "identity": "all"}),
            "activation": "sigmoid" if i == len(REFERENCE) - 1 else {"leakyRelu": 0.2},
        }
        for i, (kind, k, a, b, padding, small, large) in enumerate(REFERENCE)
    ]
    work = lambda i, row: (3 if i else 2) * 2 * 8 * (row[6] if row[0] == "conv" else row[5]) ** 2 * row[1] ** 2 * row[2] * row[3]
    config = {"identities": ["all"], "lossWeights": {"l1": 1}, "batch": 8, "rate": 1e-3, "architecture": {"size": 64}}
    flops = sum(work(i, row) for i, row in enumerate(REFERENCE))
    return {"preset": "reference", "config": config, "layers": layers, "flopsPerStep": flops}


def uniform(count, seed):
    """The same numbers in [0, 1) as random.mjs."""
    mask = np.uint64(0xFFFFFFFF)
    multiply = lambda h, factor: (h * np.uint64(factor)) & mask
    h = multiply(np.arange(1, count + 1, dtype=np.uint64), 0x9E3779B1) ^ np.uint64((seed * 0x85EBCA77) & 0xFFFFFFFF)
    h = multiply(h ^ (h >> np.uint64(16)), 0x85EBCA6B)
    h = multiply(h ^ (h >> np.uint64(13)), 0xC2B2AE35)
    return ((h ^ (h >> np.uint64(16))) >> np.uint64(8)).astype(np.float64) / 2**24


def set_reference_weights(model):
    """The first weights of autoencoder.mjs, rounded to float32 as there."""
    layers = [*model.encoder, *model.decoders[0]]
    for i, layer in enumerate(layers):
        _, k, a, b, *_ = REFERENCE[i]
        transposed = layer.spec["kind"] == "transposed"
        bound = np.sqrt(3) * np.sqrt(2 / ((1 + 0.2 * 0.2) * (k * k * a / (4 if transposed else 1))))
        shape = (k, k, b, a) if transposed else (k, k, a, b)
        w = (bound * (2 * uniform(k * k * a * b, 100 + i) - 1)).astype(np.float32).reshape(shape)
        bias = (0.05 * (2 * uniform(b, 200 + i) - 1)).astype(np.float32)
        with torch.no_grad():
            layer.weighted.weight.copy_(torch.from_numpy(w).permute(3, 2, 0, 1))
            layer.weighted.bias.copy_(torch.from_numpy(bias))


def reference_losses(steps=5):
    """In float64: what autoencoder.mjs keeps as TORCH_LOSSES."""
    described = reference()
    model = Autoencoder(described["layers"], ["all"]).double()
    set_reference_weights(model)
    x = torch.from_numpy(uniform(8 * 64 * 64 * 3, 300)).view(8, 64, 64, 3).permute(0, 3, 1, 2)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = F.l1_loss(model(x)[0], x)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# --- timing ---------------------------------------------------------------------------------------------------------


def adam(parameters, rate, device):
    if device.type == "cuda":
        with contextlib.suppress(TypeError, RuntimeError):  # torch 1.13 has it not
            return torch.optim.Adam(parameters, lr=rate, fused=True)
    return torch.optim.Adam(parameters, lr=rate)


def grad_scaler(enabled):
    if hasattr(torch, "amp") and hasattr(torch.amp, "GradScaler"):
        return torch.amp.GradScaler("cuda", enabled=enabled)
    return torch.cuda.amp.GradScaler(enabled=enabled)


def make_step(described, mode, device, batch, channels_last, compiled):
    """A function that queues one training step and returns its loss, still on the device."""
    config = described["config"]
    torch.manual_seed(0)
    tf32 = mode == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    memory = torch.channels_last if channels_last else torch.contiguous_format
    identities = len(config["identities"])
    model = Autoencoder(described["layers"], config["identities"]).to(device, memory_format=memory)
    if described["preset"] == "reference":
        set_reference_weights(model)
    losses = Losses(config).to(device, memory_format=memory)
    size = config["architecture"]["size"]
    pictures = torch.rand(identities * batch, 3, size, size).to(device, memory_format=memory)
    optimiser = adam(model.parameters(), config["rate"], device)
    scaler = grad_scaler(mode == "fp16")
    half = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(mode)

    def forward():
        with torch.autocast(device.type, dtype=half) if half else contextlib.nullcontext():
            drawn, code, mean, log_variance = model(pictures)
            return losses(drawn.float(), pictures, code, mean, log_variance, identities)

    if compiled:
        forward = torch.compile(forward, mode=compiled)

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss = forward()
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        return loss

    return step


def timed(step, steps, device):
    """Milliseconds of one of so many steps, waited for once."""
    if device.type == "cuda":
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(steps):
            step()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / steps
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - begin) * 1e3 / steps


def measure(described, mode, device, batch, args):
    step = make_step(described, mode, device, batch, args.channels_last, args.compile)
    losses = [step().item() for _ in range(WARM_UP)]
    once = timed(step, 3, device)
    steps = max(3, round(SAMPLE_SECONDS * 1e3 / once))
    timed(step, steps, device)
    samples = [timed(step, steps, device) for _ in range(SAMPLES)]
    if not np.isfinite(step().item()):
        raise RuntimeError("the loss is not finite any more")
    quartiles = statistics.quantiles(samples, n=4)
    spread = (quartiles[2] - quartiles[0]) / 2 / statistics.median(samples)
    return {"medianMs": statistics.median(samples), "spread": spread, "samplesMs": samples, "firstLosses": losses}


def unsupported(mode, device):
    if device.type != "cuda" and mode in ("tf32", "fp16"):
        return "CUDA only"
    if device.type == "cuda" and mode == "bf16" and not torch.cuda.is_bf16_supported():
        return "this GPU has no bf16"
    return None


# --- command line ---------------------------------------------------------------------------------------------------


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="what `shibori inspect --preset NAME --json` printed")
    parser.add_argument("--reference", action="store_true", help="the reference autoencoder instead")
    parser.add_argument("--losses", action="store_true", help="with --reference: print its first losses in float64")
    parser.add_argument("--modes", nargs="+", choices=["fp32", "tf32", "fp16", "bf16"], metavar="MODE")
    parser.add_argument("--device", choices=["cuda", "cpu"], help="default: cuda if there is one")
    parser.add_argument("--batch", type=int, help="pictures per identity; default: the preset's")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", metavar="MODE", help="torch.compile's mode, e.g. default or reduce-overhead")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--json", metavar="FILE", help="writes all samples, device and versions")
    return parser.parse_args()


def described_network(args):
    if args.reference == bool(args.file):
        raise BadInput("give either the JSON file of `shibori inspect --preset NAME --json`, or --reference")
    if args.reference:
        return reference()
    try:
        with open(args.file, encoding="utf8") as file:
            described = json.load(file)
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read {args.file}: {error}") from None
    if not isinstance(described, dict) or not {"config", "layers", "flopsPerStep"} <= described.keys():
        raise BadInput(f"{args.file} is not what `shibori inspect --preset NAME --json` prints")
    return described


def main():
    args = arguments()
    if args.losses:
        return print(json.dumps(reference_losses()))
    described = described_network(args)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise BadInput("--device cuda, but this PyTorch sees no CUDA device")
    if args.compile and not hasattr(torch, "compile"):
        raise BadInput(f"--compile needs torch 2; this is {torch.__version__}")
    if args.batch is not None and args.batch < 2:
        raise BadInput(f"--batch {args.batch} must be at least 2: the latent statistics need a variance")
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    config = described["config"]
    batch = args.batch or config["batch"]
    losses = Losses(config)
    count = sum(p.numel() for p in Autoencoder(described["layers"], config["identities"]).parameters())
    layout = "channels last" if args.channels_last else "channels first"
    print(f"PyTorch {torch.__version__}, {name}, {layout}{f', compiled ({args.compile})' if args.compile else ''}")
    gflop = described["flopsPerStep"] * batch / config["batch"] / 1e9
    pictures = batch * len(config["identities"])
    print(f"{described['preset']}: {count:,} parameters, {pictures} pictures and {gflop:.2f} GFLOP a step; "
          f"losses {', '.join(losses.weights)}")
    if losses.left_out:
        print(f"left out, so no GFLOP/s: {', '.join(losses.left_out)}")
    print(f"{'mode':6}{'median ms':>11}{'spread':>8}{'pictures/s':>12}{'GFLOP/s':>10}")
    rows = []
    for mode in args.modes or ["fp32", "tf32", "fp16", "bf16"]:
        row = {"mode": mode}
        rows.append(row)
        reason = unsupported(mode, device)
        if not reason:
            try:
                row.update(measure(described, mode, device, batch, args))
            except RuntimeError as error:
                reason = str(error).splitlines()[0]
        if reason:
            row["notMeasured"] = reason
            print(f"{mode:6}  not measured: {reason}")
            continue
        ms = row["medianMs"]
        rate = "–" if losses.left_out else f"{gflop / ms * 1e3:.1f}"
        print(f"{mode:6}{ms:11.3f}{row['spread'] * 100:7.0f}%{pictures / ms * 1e3:12.0f}{rate:>10}", flush=True)
    if args.json:
        about = {
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "command": " ".join(["torch_step.py", *sys.argv[1:]]),
            "torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
            "device": name, "machine": platform.machine(), "python": platform.python_version(),
            "preset": described["preset"], "parameters": count, "batch": batch, "flops": gflop * 1e9,
            "losses": list(losses.weights), "leftOut": losses.left_out, "channelsLast": args.channels_last,
            "compile": args.compile, "modes": rows,
        }
        with open(args.json, "w", encoding="utf8") as file:
            json.dump(about, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    try:
        main()
    except BadInput as mistake:
        sys.exit(print(f"torch_step.py: {mistake}", file=sys.stderr) or 2)
