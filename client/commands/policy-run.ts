/** `tidemark.policy.backUp` and `tidemark.policy.backUpFull`: a run of an applied policy, now. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import type { PolicyTarget } from '../targets.ts';
import type { MarkdownPages } from '../ui/markdown-pages.ts';
import { askPolicy } from './ask/ask-policy.ts';
import type { PolicyEntry } from '../policy/policy-entries.ts';
import { planAndApply } from './policy-apply.ts';
import { requireTrust } from './policy-trust.ts';
import type { CommandHandler } from './registry.ts';

/** Its backups read what the schedule says, else what changed. */
export function runPolicy(app: App, pages: MarkdownPages): CommandHandler<'tidemark.policy.backUp'> {
  return async (target, selection) => startRuns(app, pages, { target, selection });
}

/** Its backups read everything again. */
export function runPolicyInFull(app: App, pages: MarkdownPages): CommandHandler<'tidemark.policy.backUpFull'> {
  return async (target, selection) => startRuns(app, pages, { target, selection, type: 'full' });
}

interface RunQuestion {
  readonly target: PolicyTarget | undefined;
  readonly selection: readonly PolicyTarget[];
  readonly type?: 'full';
}

async function startRuns(app: App, pages: MarkdownPages, { target, selection, type }: RunQuestion): Promise<void> {
  requireTrust();
  const title = type === 'full' ? vscode.l10n.t('Run Policy Now in Full') : vscode.l10n.t('Run Policy Now');
  for (const one of selection.length > 1 ? selection : [target]) {
    const entry = await askPolicy(app, one, title, 'applied');
    const name = await readyToRun(app, pages, entry);
    if (name !== undefined) await app.stores.runs.startPolicy(name, type);
  }
}

/** The name of what is to run; undefined when the user reads a plan first. Throws `vscode.CancellationError`. */
async function readyToRun(app: App, pages: MarkdownPages, entry: PolicyEntry): Promise<string | undefined> {
  const { applied, file, state, name } = entry;
  if (applied !== undefined && state !== 'changed') return applied.name;
  const apply = { title: vscode.l10n.t('Apply…'), value: 'apply' } as const;
  const chosen =
    applied === undefined
      ? await app.notify.choose({
          message: vscode.l10n.t('Policy {0} is not applied.', name),
          detail: vscode.l10n.t('The daemon runs policies as they were applied.'),
          answers: [apply],
        })
      : await app.notify.choose<'run' | 'apply'>({
          message: vscode.l10n.t('The file of {0} differs from what is applied.', name),
          detail: vscode.l10n.t('The run follows version {0}, as it was applied.', applied.current.version),
          answers: [{ title: vscode.l10n.t('Run Applied Version'), value: 'run' }, apply],
        });
  if (chosen === 'run') return name;
  return file === undefined ? undefined : (await planAndApply(app, pages, vscode.Uri.parse(file.uri, true)))?.name;
}
