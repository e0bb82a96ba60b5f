let count = 0;

/** Kernels launched by this process since `watchLaunches`. */
export const launched = () => count;

/** Starts to count. To be called once Dawn's classes are global. */
export function watchLaunches() {
  const { prototype } = globalThis.GPUComputePassEncoder;
  for (const name of ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"]) {
    const launch = prototype[name];
    prototype[name] = function (...args) {
      count++;
      return launch.apply(this, args);
    };
  }
}
