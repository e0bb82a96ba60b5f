import { adam, compile, conv2d, gradients, he, input, mean, mse, Parameters, sigmoid } from "shibori";
import { adapterLine, openGpu } from "shibori/node";

// A small network learns to tell bright pictures from dark ones.
const [batch, size] = [8, 16];
const parameters = new Parameters();
const w1 = parameters.create("w1", [3, 3, 1, 8], he([3, 3, 1, 8], 9, { seed: 1, stream: 0 }));
const b1 = parameters.create("b1", [8], new Float32Array(8));
const w2 = parameters.create("w2", [3, 3, 8, 1], he([3, 3, 8, 1], 72, { seed: 1, stream: 1 }));

const gpu = await openGpu();
console.log(adapterLine(gpu));
const program = await compile(gpu, () => {
  const x = input("x", [batch, size, size, 1]);
  const wanted = input("wanted", [batch]);
  const features = conv2d(x, w1, { bias: b1, stride: 2, padding: 1, activation: "relu" });
  const y = sigmoid(mean(conv2d(features, w2, { stride: 2, padding: 1 }), { axes: [1, 2, 3] }));
  const loss = mse(y, wanted);
  const [dw1, db1, dw2] = gradients(loss, parameters);
  return { loss, y, dw1, update: adam(parameters, [dw1, db1, dw2], { rate: 0.03 }) };
});

for (let step = 0; step < 100; step++) {
  const levels = Array.from({ length: batch }, (_, n) => ((step * batch + n) * 0.618) % 1);
  const texture = Array.from({ length: size * size }, (_, i) => 0.1 * Math.sin(i));
  const bright = levels.map((level) => (level > 0.5 ? 1 : 0));
  const pictures = levels.flatMap((level) => texture.map((t) => level + t));
  program.write("x", pictures);
  program.write("wanted", bright);
  await program.run();
}

const { loss } = (await program.history()).values; // of every step
console.log(`loss ${loss[0].toFixed(3)} → ${loss[loss.length - 1].toFixed(3)}`);
console.log("outputs ", await program.read("y"));
console.log("gradient", (await program.read("dw1")).subarray(0, 4));
console.log("weights ", (await parameters.read(gpu)).get("w1")?.subarray(0, 4));
gpu.destroy();
