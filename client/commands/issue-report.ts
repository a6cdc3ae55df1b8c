/** `tidemark.issue.report`: a document to read, shorten and send. Nothing leaves the machine by itself. */
import { open } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';

import * as vscode from 'vscode';

import { systemCode } from '../../server/base/files.ts';
import type { App } from '../app.ts';
import { settings } from '../contributions.ts';
import type { SettingId } from '../contributions.ts';
import { extensionVersion } from '../daemon-control.ts';
import { readSetting } from '../ui/settings.ts';
import { localLogFile } from './daemon-log.ts';
import { issueReport } from './flows/issue-report.ts';
import type { CommandHandler } from './registry.ts';

/** What of a log is read, bytes. */
const tailBytes = 64 * 1024;

export function reportIssue(app: App): CommandHandler<'tidemark.issue.report'> {
  return async () => {
    const content = issueReport({
      versions: versions(app),
      settings: changedSettings(),
      connection: connection(app),
      counts: {
        hosts: app.stores.hosts.hosts.value.length,
        repositories: app.stores.repositories.repositories.value.length,
        activeRuns: app.stores.runs.active.length,
      },
      extensionLog: await tail(join(app.extension.logUri.fsPath, 'Tidemark.log')),
      daemonLog: readSetting('tidemark.daemon.address') === '' ? await tail(localLogFile()) : '',
      privateTexts: [homedir(), userInfo().username],
    });
    const document = await vscode.workspace.openTextDocument({ language: 'markdown', content });
    await vscode.window.showTextDocument(document);
  };
}

function versions({ extension, daemon: { state } }: App): Readonly<Record<string, string>> {
  return {
    Tidemark: extensionVersion(extension),
    Daemon: state.kind === 'connected' ? state.daemonVersion : 'not connected',
    'VS Code': `${vscode.version} (${vscode.env.appHost}${vscode.env.remoteName === undefined ? '' : `, ${vscode.env.remoteName}`})`,
    Node: process.versions.node,
    Platform: `${process.platform} ${process.arch}`,
  };
}

function connection({ daemon: { state } }: App): string {
  const error = state.kind === 'failed' || state.kind === 'reconnecting' ? state.error : undefined;
  return error === undefined ? state.kind : `${state.kind}: ${error.code} ${error.message}`;
}

/** Settings that are not as they come. None holds a secret; addresses and paths go through the same redaction as the logs. */
function changedSettings(): Readonly<Record<string, unknown>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the table are its ids
  const ids = Object.keys(settings) as SettingId[];
  const changed = ids.filter((id) => readSetting(id) !== settings[id].fallback);
  return Object.fromEntries(changed.map((id) => [id, readSetting(id)]));
}

/** The end of a file from its first whole line on; empty when there is no file. */
async function tail(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const start = Math.max(0, size - tailBytes);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const text = buffer.toString('utf8', 0, bytesRead);
    return start === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return '';
    return `(${code ?? 'unreadable'})`;
  }
}
