/** Runs one bundled file of tests in this process, and sends its parent what became of them. */
import { type File, startTests, type Task, type VitestRunner } from "@vitest/runner";

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** One text for each failure: the test's name, what was wrong, where. */
  readonly failures: readonly string[];
}

/** Vitest's defaults, and the times of vitest.config.ts. */
const runner: VitestRunner = {
  config: {
    ...{ root: process.cwd(), name: undefined, setupFiles: [], passWithNoTests: false, testNamePattern: undefined },
    ...{ allowOnly: false, retry: 0, maxConcurrency: 5, testTimeout: 120_000, hookTimeout: 120_000 },
    ...{ chaiConfig: undefined, includeTaskLocation: false, tags: [], tagsFilter: undefined, strictTags: true },
    sequence: { hooks: "stack", setupFiles: "parallel", seed: 0 },
  },
  importFile: (path) => import(path),
};

function outcomeOf(files: readonly File[]): Outcome {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  const visit = (task: Task, path: readonly string[]): void => {
    const { result } = task;
    const names = [...path, task.name];
    if (task.type === "test") {
      counts[result?.state === "pass" ? "passed" : result?.state === "fail" ? "failed" : "skipped"]++;
    } else {
      for (const each of task.tasks) visit(each, names);
      // A suite also fails where a test in it does; errors of its own are those of hooks, or of loading the file.
      if (result?.errors?.length) counts.failed++;
    }
    for (const { message, diff, stack } of result?.errors ?? []) {
      failures.push([names.join(" > "), message, diff, framesOf(stack)].filter(Boolean).join("\n"));
    }
  };
  for (const { tasks, result } of files) {
    for (const task of tasks) visit(task, []);
    if (result?.errors?.length) counts.failed++;
    for (const { message, stack } of result?.errors ?? []) failures.push(`${message}\n${framesOf(stack)}`);
  }
  return { ...counts, failures };
}

/** The lines of a stack that lie in the checkout. */
const framesOf = (stack = ""): string => {
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line) && !/node_modules|node:/.test(line));
  return frames.slice(0, 3).join("\n");
};

const outcome = outcomeOf(await startTests([process.argv[2]], runner));
process.send?.(outcome, () => process.exit(0));
