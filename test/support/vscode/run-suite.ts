/** Runs the suite in an extension host, with the packaged extension installed as a user's would be. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { launchBrowser, openWindow } from './browser.ts';
import { ensureServer } from './install.ts';
import { installExtension, startServer } from './server.ts';

export interface SuiteOptions {
  readonly vsix: string;
  /** See `bundleSuite`. */
  readonly suite: string;
  /** Runs in a workspace that is not trusted. */
  readonly restricted: boolean;
  /** Only test files whose name contains this. */
  readonly only?: string | undefined;
}

/** How a suite ended: its counts are in the report's last line. */
export interface SuiteResult {
  readonly passed: boolean;
  /** TAP. */
  readonly report: string;
}

const timeoutMs = 300_000;

/** Runs the suite. On a time-out the folder with logs and a picture stays, and the error names it. */
export async function runSuite(options: SuiteOptions): Promise<SuiteResult> {
  const root = ensureServer();
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-suite-'));
  const report = join(directory, 'report.tap');
  const workspace = join(directory, 'workspace');
  mkdirSync(workspace);
  let keep = false;
  installExtension({ root, directory, vsix: options.vsix });
  const server = await startServer({
    root,
    directory,
    trust: options.restricted,
    driver: true,
    machineSettings: { 'tidemark.daemon.dataDirectory': join(directory, 'daemon') },
    env: {
      TIDEMARK_TEST_API: '1',
      TIDEMARK_TEST_DIRECTORY: directory,
      TIDEMARK_TEST_REPORT: report,
      ...(options.only === undefined ? {} : { TIDEMARK_TEST_ONLY: options.only }),
    },
  });
  const browser = await launchBrowser();
  try {
    const ended = Promise.withResolvers<unknown>();
    const remote = (path: string): string => `vscode-remote://${server.authority}${path}`;
    const window = await openWindow(browser, server, {
      folder: workspace,
      payload: [
        ['extensionDevelopmentPath', remote(options.suite)],
        ['extensionTestsPath', remote(join(options.suite, 'index.cjs'))],
      ],
      // The workbench calls these when it runs tests: at their end, and with what the extension host prints.
      expose: { codeAutomationExit: (code) => ended.resolve(code), codeAutomationLog: () => undefined },
    });
    const code = await Promise.race([ended.promise, sleep(timeoutMs, 'late', { ref: false })]);
    const text = existsSync(report) ? readFileSync(report, 'utf8') : '';
    if (code !== 'late') return { passed: code === 0, report: text };
    keep = true;
    await window.screenshot(join(directory, 'late.png'));
    throw new Error(`The suite did not end in ${timeoutMs} ms; see ${directory}. So far:\n${text}`);
  } finally {
    await browser.close();
    await server.stop();
    if (!keep) rmSync(directory, { recursive: true, force: true });
  }
}

/** The tests of a TAP report that failed by themselves, each with its error; not what failed with them. */
export function failuresIn(report: string): readonly string[] {
  const blocks = report.match(/^ *not ok [^\n]*\n(?: +[^\n]*\n)*? *\.\.\.$/gm) ?? [];
  return blocks.filter((block) => !/failureType: '(subtestsFailed|cancelledByParent)'/.test(block));
}
