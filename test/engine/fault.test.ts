import { describe, expect, it } from "vitest";
import { describeFault, findFault } from "../../src/engine/fault.js";
import type { Node } from "../../src/engine/graph.js";
import {
  adam,
  compile,
  conv2d,
  div,
  exp,
  gradients,
  input,
  log,
  mean,
  mul,
  Parameters,
  relu,
  scale,
  sqrt,
  sum,
} from "../../src/index.js";
import { gpu, STYLES, step } from "../gpu.js";

async function find(build: () => Record<string, Node>, inputs: Record<string, number[]>, kernels = {}) {
  const program = await compile(gpu, build, { keepAll: true, kernels });
  for (const [name, values] of Object.entries(inputs)) program.write(name, values);
  await step(program);
  const fault = await findFault(program);
  const lines = program.dump().split("\n");
  program.destroy();
  return { fault, line: fault?.dispatch ? lines[fault.dispatch - 1] : undefined };
}

describe("findFault", () => {
  it("finds nothing where everything is finite", async () => {
    const { fault } = await find(() => ({ y: sum(sqrt(input("x", [5]))) }), { x: [1, 2, 3, 4, 5] });
    expect(fault).toBeUndefined();
  });

  it("names the kernel, its dispatch and the tensor that came first, not those that follow", async () => {
    const { fault, line } = await find(
      () => {
        const x = input("x", [2, 5]);
        const large = exp(scale(x, 100)); // infinity at [1, 3]
        return { y: mean(div(large, large)) }; // NaN
      },
      { x: [0, 0, 0, 0, 0, 0, 0, 0, 1, 0] },
    );
    expect(fault).toEqual({ value: "infinity", tensor: "exp [2, 5] at [1, 3]", kernel: "exp", dispatch: 2 });
    expect(line).toMatch(/^ +2 {2}exp +exp /);
    expect(describeFault(fault!)).toBe("infinity first came from kernel exp (dispatch 2), in exp [2, 5] at [1, 3]");
  });

  it("tells NaN from infinity", async () => {
    const { fault } = await find(() => ({ y: div(input("a", []), input("b", [])) }), { a: [0], b: [0] });
    expect(fault).toMatchObject({ value: "NaN", tensor: "div []", kernel: "div" });
  });

  it("names what came from outside", async () => {
    const { fault } = await find(() => ({ y: relu(input("x", [3])) }), { x: [1, Number.NaN, 2] });
    expect(fault).toEqual({ value: "NaN", tensor: 'input "x" [3] at [1]', kernel: undefined, dispatch: undefined });
    expect(describeFault(fault!)).toBe('NaN was there before the step, in input "x" [3] at [1]');
  });

  it("names a parameter that is not finite", async () => {
    const parameters = new Parameters();
    const w = parameters.create("w", [3, 3, 1, 2], Array(18).fill(0).fill(Number.POSITIVE_INFINITY, 17));
    const { fault } = await find(() => ({ y: conv2d(input("x", [1, 4, 4, 1]), w) }), { x: Array(16).fill(1) });
    expect(fault).toMatchObject({ value: "infinity", tensor: 'parameter "w" [3, 3, 1, 2] at [2, 2, 0, 1]' });
  });

  it.each(STYLES)("finds a convolution's overflow and its weights' name, %s kernels", async (style) => {
    const parameters = new Parameters();
    const w = parameters.create("enc.weight", [3, 3, 1, 2], Array(18).fill(1e38));
    const build = () => ({ y: sum(conv2d(input("x", [1, 4, 4, 1]), w)) });
    const { fault, line } = await find(build, { x: Array(16).fill(1) }, { "*": style });
    expect(fault).toMatchObject({ value: "infinity", dispatch: 1 });
    expect(fault?.tensor).toMatch(/^conv2d \[1, 2, 2, 2\] of enc\.weight at \[0, \d, \d, \d\]$/);
    expect(line).toContain(` ${fault?.kernel} `);
  });

  it("names whose gradient is not finite, where the forward pass is", async () => {
    const parameters = new Parameters();
    const w = parameters.create("w", [2], [1, 0]);
    const { fault } = await find(() => {
      const loss = sum(sqrt(w)); // d √w = ½ / √w: infinite at 0
      return { loss, update: adam(parameters, gradients(loss, parameters), { rate: 0.1, loss }) };
    }, {});
    expect(fault).toMatchObject({ value: "infinity", kernel: "sqrtGrad" });
    expect(fault?.tensor).toBe("sqrtGrad [2], the gradient of w, at [1]");
  });

  it("names a gradient that is finite, but whose square is not", async () => {
    const parameters = new Parameters();
    const w = parameters.create("w", [3], [1, 1, 1]);
    const { fault } = await find(
      () => {
        const loss = sum(mul(w, input("x", [3])));
        return { loss, update: adam(parameters, gradients(loss, parameters), { rate: 0.1, loss }) };
      },
      { x: [1, 2, -1e21] },
    );
    expect(fault).toMatchObject({ value: "large", kernel: "mul", tensor: "mul [3], the gradient of w, at [2]" });
    expect(describeFault(fault!)).toMatch(
      /^a number beyond 2\^63, whose square would be infinite, first came from kernel mul /,
    );
  });

  it("finds it in memory between an op's two passes", async () => {
    // Partial sums overflow before the last pass adds them.
    const { fault } = await find(() => ({ y: sum(log(exp(input("x", [64, 4])))), z: sum(input("x2", [64, 4])) }), {
      x: Array(256).fill(0),
      x2: Array(256).fill(3e38),
    });
    expect(fault).toMatchObject({ value: "infinity", kernel: "reduce", tensor: "sum []" });
  });
});
