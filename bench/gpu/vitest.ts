/** Stands in for vitest in bundled tests: its own runner, assertions and spies, without Vite. */
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  type ExpectStatic,
  GLOBAL_EXPECT,
  getState,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from "@vitest/expect";
import { getCurrentTest } from "@vitest/runner";
import { fn, restoreAllMocks, spyOn } from "@vitest/spy";

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from "@vitest/runner";

export const vi = { fn, spyOn, restoreAllMocks };

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin);

/** As vitest makes it: a test is told of assertions that it does not wait for. */
export const expect = ((value: unknown, message?: string) => {
  setState({ assertionCalls: getState(expect).assertionCalls + 1 }, expect);
  const assertion = chai.expect(value, message) as unknown as { withTest(test: unknown): unknown };
  const running = getCurrentTest();
  return running ? assertion.withTest(running) : assertion;
}) as unknown as ExpectStatic;
const globals = globalThis as unknown as Record<symbol, object>;
Object.assign(expect, chai.expect, globals[ASYMMETRIC_MATCHERS_OBJECT], {
  unreachable: (what?: string) => chai.assert.fail(`expected${what ? ` "${what}" ` : " "}not to be reached`),
});
setState({ assertionCalls: 0, isExpectingAssertions: false, expectedAssertionsNumber: null }, expect);
Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: expect, configurable: true });
