/** `tidemark.policy.plan` and `tidemark.policy.previewRetention`: what would happen, as a page. Nothing is changed. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { PolicyPlan } from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import type { MarkdownPages } from '../ui/markdown-pages.ts';
import { withProgress } from '../ui/progress.ts';
import { askAppliedPolicy, askPolicyFile } from './ask/ask-policy.ts';
import { planPage, retentionPage } from './flows/plan-page.ts';
import { editedText } from './policy-text.ts';
import type { CommandHandler } from './registry.ts';

/** A plan looks at all VMs of all hosts, and at all restore points of the policy: how long it may take, ms. */
const timeoutMs = 120_000;

export function planPolicy(app: App, pages: MarkdownPages): CommandHandler<'tidemark.policy.plan'> {
  return async (target) => {
    const { file } = await askPolicyFile(app, target, vscode.l10n.t('Plan Policy'));
    const plan = await readPlan(app, await editedText(vscode.Uri.parse(file.uri, true)));
    await showPlan(pages, plan);
  };
}

/** Asks the daemon what applying a text would do. Throws `TM7001` with what is wrong in the text. */
export async function readPlan(app: App, text: string): Promise<PolicyPlan> {
  const title = vscode.l10n.t('Planning…');
  return withProgress({ title, place: { viewId: 'tidemark.policies' } }, async (signal) => {
    const { plan } = await app.daemon.request(daemon.planPolicy, { text }, { signal, timeoutMs });
    return plan;
  });
}

/** Shows a plan that was read. */
export async function showPlan(pages: MarkdownPages, plan: PolicyPlan): Promise<void> {
  await pages.show(vscode.l10n.t('Plan of {0}', plan.name), planPage(plan));
}

export function previewRetention(app: App, pages: MarkdownPages): CommandHandler<'tidemark.policy.previewRetention'> {
  return async (target) => {
    const { applied } = await askAppliedPolicy(app, target, vscode.l10n.t('Preview Retention'));
    const title = vscode.l10n.t('Reading restore points…');
    const preview = await withProgress({ title, place: { viewId: 'tidemark.policies' } }, async (signal) =>
      app.daemon.request(daemon.previewRetention, { name: applied.name }, { signal, timeoutMs }),
    );
    await pages.show(vscode.l10n.t('Retention of {0}', applied.name), retentionPage(applied.name, preview));
  };
}
