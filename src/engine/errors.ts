/** A mistake of the person who called us: one clear line, never a stack trace. The command line exits with 2 on it. */
export class UserError extends Error {
  override readonly name: string = "UserError";
}

/** A tensor shape that an op refuses, thrown while the graph is traced. Names the op, the shapes and the rule. */
export class ShapeError extends UserError {
  override readonly name = "ShapeError";
}

/** A kernel was named that its op does not have on this adapter. */
export class KernelError extends UserError {
  override readonly name = "KernelError";

  /** @param kernel the name at fault */
  constructor(
    message: string,
    readonly kernel: string,
  ) {
    super(message);
  }
}

/** The GPU failed under us: device lost, out of memory, or a validation error (which is a fault of this project). */
export class GpuError extends Error {
  override readonly name = "GpuError";
}

/** A training step met a number that is not finite. */
export class DivergedError extends Error {
  override readonly name = "DivergedError";
}
