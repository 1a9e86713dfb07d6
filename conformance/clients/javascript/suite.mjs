// The JavaScript client library against a server: one line `ok NAME` or `not ok NAME: REASON` a check.

import * as checks from "./checks.mjs";

const checkMs = 30_000;
let failed = false;

for (const [name, check] of Object.entries(checks)) {
  const label = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  let timer;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${checkMs} ms`)), checkMs);
    });
    await Promise.race([check(), late]);
    console.log(`ok ${label}`);
  } catch (error) {
    failed = true;
    console.log(`not ok ${label}: ${error.stack?.split("\n").slice(0, 3).join(" ") ?? error}`);
  } finally {
    clearTimeout(timer);
  }
}
// A failed check may have left a server or a connection open.
process.exit(failed ? 1 : 0);
