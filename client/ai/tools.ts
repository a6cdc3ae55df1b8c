/** The language-model tools: they read what the views show, and can start a backup after the user has confirmed it. Nothing restores or deletes. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { RunInfo } from '../../server/protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { RunId } from '../../server/protocol/ids.ts';
import type { Parsed, Parser } from '../../server/protocol/parse.ts';
import type { App } from '../app.ts';
import { shortText } from '../commands/error-reporter.ts';
import { languageModelTools } from '../contributions.ts';
import { signalOf } from '../ui/progress.ts';
import { readSetting } from '../ui/settings.ts';
import {
  failureFacts,
  listVmsInput,
  newestFailure,
  runInput,
  runStatus,
  startBackupInput,
  vmList,
} from './tool-model.ts';

const hourMs = 3_600_000;
/** Lines of a log that are looked through for its end. */
const logPage = 2000;

/** Registers all tools. */
export function registerTools(app: App): void {
  const { own } = app;
  own(register(languageModelTools.listVms, listVmsInput, async (input, signal) => listVms(app, input, signal)));
  own(register(languageModelTools.runStatus, runInput, async (input, signal) => status(app, input, signal)));
  own(register(languageModelTools.explainFailure, runInput, async (input, signal) => explain(app, input, signal)));
  own(
    vscode.lm.registerTool<unknown>(languageModelTools.startBackup, {
      prepareInvocation: ({ input }) => confirmation(startBackupInput(input, 'input')),
      invoke: async ({ input }) => told(async () => startBackup(app, startBackupInput(input, 'input'))),
    }),
  );
}

function register<T>(
  name: string,
  parser: Parser<T>,
  answer: (input: T, signal: AbortSignal) => Promise<object>,
): vscode.Disposable {
  return vscode.lm.registerTool<unknown>(name, {
    invoke: async ({ input }, token) => told(async () => answer(parser(input, 'input'), signalOf(token))),
  });
}

/** The answer; an error with its hint, of which the model otherwise sees the message only. */
async function told(answer: () => Promise<object>): Promise<vscode.LanguageModelToolResult> {
  try {
    return result(await answer());
  } catch (error) {
    if (!TidemarkError.is(error)) throw error;
    throw new Error(shortText(error), { cause: error });
  }
}

function result(answer: object): vscode.LanguageModelToolResult {
  return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(JSON.stringify(answer))]);
}

async function listVms(app: App, input: Parsed<typeof listVmsInput>, signal: AbortSignal): Promise<object> {
  const { host } = input;
  const params = host === undefined ? {} : { host };
  const { vms, unreachable } = await app.daemon.request(daemon.listVms, params, { signal });
  const overdueAfterMs = readSetting('tidemark.inventory.overdueAfterHours') * hourMs;
  const notAnswering = unreachable.map(({ host: name, error }) => ({ host: name, error: error.message }));
  return { ...vmList(vms, input, overdueAfterMs, Date.now()), unreachable: notAnswering };
}

async function status(app: App, input: Parsed<typeof runInput>, signal: AbortSignal): Promise<object> {
  return runStatus(await runs(app, input.runId, signal));
}

async function explain(app: App, input: Parsed<typeof runInput>, signal: AbortSignal): Promise<object> {
  const candidates = await runs(app, input.runId, signal);
  const run = input.runId === undefined ? newestFailure(candidates) : candidates[0];
  if (run === undefined) return { note: 'No run has failed.' };
  return failureFacts(run, await wholeLog(app, run.id, signal));
}

async function runs(app: App, id: RunId | undefined, signal: AbortSignal): Promise<readonly RunInfo[]> {
  if (id !== undefined) return [(await app.daemon.request(daemon.getRun, { id }, { signal })).run];
  const limit = readSetting('tidemark.runs.recentCount');
  return (await app.daemon.request(daemon.listRuns, { limit }, { signal })).runs;
}

/** The last page of a log: memory stays small however long it is. */
async function wholeLog(app: App, id: RunId, signal: AbortSignal): Promise<readonly daemon.LogLine[]> {
  let kept: readonly daemon.LogLine[] = [];
  for (let fromLine = 0; ;) {
    const { lines, nextLine } = await app.daemon.request(daemon.getRunLog, { id, fromLine }, { signal });
    if (lines.length === 0) return kept;
    kept = [...kept, ...lines].slice(-logPage);
    fromLine = nextLine;
  }
}

function confirmation({ host, vm, repository, type }: Parsed<typeof startBackupInput>): vscode.PreparedToolInvocation {
  const kind = type === 'full' ? vscode.l10n.t('full') : vscode.l10n.t('incremental');
  const target = repository ?? vscode.l10n.t('the only repository');
  return {
    invocationMessage: vscode.l10n.t('Starting a backup of {0}', vm),
    confirmationMessages: {
      title: vscode.l10n.t('Back Up a VM'),
      message: vscode.l10n.t('Start a backup ({0}) of VM {1} on host {2} to {3}?', kind, vm, host, target),
    },
  };
}

async function startBackup(app: App, input: Parsed<typeof startBackupInput>): Promise<object> {
  const { repositories } = await app.daemon.request(daemon.listRepositories, {});
  const repository = input.repository ?? (repositories.length === 1 ? repositories[0]?.name : undefined);
  if (repository === undefined) {
    throw new TidemarkError(errorCodes.invalidInput, 'Name the repository: there is not exactly one.', {
      hint: `There are: ${repositories.map((entry) => entry.name).join(', ') || 'none'}.`,
    });
  }
  const run = await app.stores.runs.start({
    kind: 'backup',
    host: input.host,
    vm: input.vm,
    repository,
    type: input.type ?? 'incremental',
    consistency: 'application-or-crash',
    excludeDisks: [],
  });
  return { runId: run.id, title: run.title, state: run.state };
}
