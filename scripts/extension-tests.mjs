// `npm run test:extension`: packs the extension, then runs its tests in a real VS Code: the suite inside the extension host, the
// same suite in a workspace that is not trusted, and the tests that click and type. Needs Chromium; see docs/testing.md.
//   -- --desktop     the suite in a downloaded desktop VS Code instead
//   -- --suite       the suites only;  -- --e2e [FILE …]  the tests that click and type only
//   -- --only WORD   of the suite, only test files whose name contains WORD
//   -- --no-package  with the package that is there
import { existsSync, globSync } from 'node:fs';

import { bundleSuite } from '../test/support/vscode/bundle-suite.ts';
import { runOnDesktop } from '../test/support/vscode/desktop.ts';
import { findBrowser } from '../test/support/vscode/install.ts';
import { packageFile } from '../test/support/vscode/labels.ts';
import { failuresIn, runSuite } from '../test/support/vscode/run-suite.ts';
import { packageExtension } from './package.mjs';
import { testFilePasses } from './setup.mjs';

const args = process.argv.slice(2);
const has = (name) => args.includes(name);
const only = has('--only') ? args[args.indexOf('--only') + 1] : undefined;

const vsix = has('--no-package') && existsSync(packageFile) ? packageFile : await packageExtension();

/** Prints what a suite has to tell: failures, notes, counts. */
function tell(name, { passed, report }) {
  const failures = failuresIn(report);
  for (const failure of failures) console.log(failure);
  for (const [, note] of report.matchAll(/^ *# note: (.*)$/gm)) console.log(note);
  const counts = /^# (\d+ passed, \d+ failed, \d+ skipped)$/m.exec(report)?.[1];
  // Without counts it did not come to its end.
  console.log(`${name}: ${counts ?? `no result\n${report}`}`);
  return passed && failures.length === 0 && counts !== undefined ? 0 : 1;
}

async function suites() {
  const suite = await bundleSuite();
  if (has('--desktop')) return tell('Suite on the desktop', await runOnDesktop({ vsix, suite, only }));
  const status = tell('Suite in VS Code', await runSuite({ vsix, suite, restricted: false, only }));
  const restricted = await runSuite({ vsix, suite, restricted: true, only: 'restricted' });
  return status + tell('Suite in a workspace that is not trusted', restricted);
}

if (!has('--desktop') && findBrowser() === undefined) {
  console.error('No Chromium: install it (Debian: apt-get install chromium), or name one in TIDEMARK_TEST_BROWSER.');
  process.exit(1);
}
const named = args.filter((argument) => argument.endsWith('.test.ts'));

/** Each file in a VS Code of its own. A machine that does other work as well now and then swallows a click. */
function endToEnd() {
  const files = named.length > 0 ? named : globSync('test/e2e/*.test.ts').toSorted();
  return files.filter((file) => !testFilePasses(file)).length;
}

let status = has('--e2e') ? 0 : await suites();
if (!has('--suite') && !has('--desktop') && status === 0) status = endToEnd();
process.exitCode = status === 0 ? 0 : 1;
