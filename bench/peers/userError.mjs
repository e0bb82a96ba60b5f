/** A mistake of the person who called us, told in one line (exit code 2). Before dist/ is there, so without its class. */
export const userError = (message) => Object.assign(new Error(message), { name: "UserError" });
