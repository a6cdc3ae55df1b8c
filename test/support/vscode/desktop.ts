/** The same suite in a desktop VS Code, which `@vscode/test-electron` downloads: needs the open internet and a display. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { downloadAndUnzipVSCode, runTests, runVSCodeCommand } from '@vscode/test-electron';

import { writeUserSettings } from './settings.ts';
import type { SuiteOptions, SuiteResult } from './run-suite.ts';

/** Downloads VS Code once, installs the package into folders of its own, and runs the suite there. */
export async function runOnDesktop(options: Pick<SuiteOptions, 'vsix' | 'suite' | 'only'>): Promise<SuiteResult> {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-desktop-'));
  try {
    const workspace = join(directory, 'workspace');
    mkdirSync(workspace);
    const report = join(directory, 'report.tap');
    const folders = [`--extensions-dir=${join(directory, 'extensions')}`, `--user-data-dir=${join(directory, 'data')}`];
    writeUserSettings(directory, { 'tidemark.daemon.dataDirectory': join(directory, 'daemon') });
    const vscodeExecutablePath = await downloadAndUnzipVSCode();
    await runVSCodeCommand(['--install-extension', options.vsix, '--force', ...folders], { reuseMachineInstall: true });
    const passed = await runTests({
      vscodeExecutablePath,
      reuseMachineInstall: true,
      extensionDevelopmentPath: options.suite,
      extensionTestsPath: join(options.suite, 'index.cjs'),
      launchArgs: [workspace, '--disable-workspace-trust', ...folders],
      extensionTestsEnv: {
        TIDEMARK_TEST_API: '1',
        TIDEMARK_TEST_DIRECTORY: directory,
        TIDEMARK_TEST_REPORT: report,
        TIDEMARK_TEST_ONLY: options.only,
      },
    }).then(
      (code) => code === 0,
      (error: unknown) => {
        console.error(error);
        return false;
      },
    );
    return { passed, report: existsSync(report) ? readFileSync(report, 'utf8') : '' };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
