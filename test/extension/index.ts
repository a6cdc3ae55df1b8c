/** What VS Code calls: runs the test files beside this one, in this process, and reports. The same on a desktop and in the server. */
import { appendFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run as runTests } from 'node:test';
import { tap } from 'node:test/reporters';
import type { TestEvent } from 'node:test/reporters';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * The events until the last test has ended. The runner itself waits for the process to have nothing left to do, and an extension
 * host always has. All files are loaded before the first test starts, so the top level is known by then; each file must hold a test.
 */
async function* untilLastTest(
  events: AsyncIterable<TestEvent>,
  files: readonly string[],
  counts: Counts,
): AsyncGenerator<TestEvent, void> {
  const silent = new Set(files);
  let open = 0;
  for await (const event of events) {
    yield event;
    if (event.type === 'test:enqueue' && event.data.nesting === 0) {
      open++;
      if (event.data.file !== undefined) silent.delete(event.data.file);
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const isSuite = event.data.details.type === 'suite';
    if (event.type === 'test:fail') counts.failed += isSuite ? 0 : 1;
    else if (!isSuite) counts[event.data.skip === undefined ? 'passed' : 'skipped']++;
    if (event.data.nesting === 0 && --open === 0 && silent.size === 0) return;
  }
}

/** Rejects when a test failed. The report goes to the file of `TIDEMARK_TEST_REPORT`. */
export async function run(): Promise<void> {
  const only = process.env['TIDEMARK_TEST_ONLY'] ?? '';
  const restricted = only === 'restricted';
  const files = readdirSync(__dirname)
    .filter((file) => file.endsWith('.test.cjs') && file.includes(only))
    // In a trusted workspace these would fail, and the others in one that is not.
    .filter((file) => restricted === file.startsWith('restricted'))
    .map((file) => join(__dirname, file));
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const report = process.env['TIDEMARK_TEST_REPORT'];
  const write = (text: string): void => (report === undefined ? console.log(text) : appendFileSync(report, text));
  if (report !== undefined) writeFileSync(report, '');
  // Not in processes of their own: only this one has the editor's API.
  const events = runTests({ files, isolation: 'none', concurrency: 1, timeout: 120_000 });
  for await (const text of tap(untilLastTest(events, files, counts))) write(text);
  const { passed, failed, skipped } = counts;
  const last = `${passed} passed, ${failed} failed, ${skipped} skipped`;
  write(`1..${passed + failed + skipped}\n# ${last}\n`);
  if (failed > 0) throw new Error(last);
}
