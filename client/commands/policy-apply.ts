/** `tidemark.policy.apply`: shows what it would do, asks, and makes the daemon carry the file out. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { AppliedPolicy, PolicyPlan } from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import { sha256Of } from '../policy/policy-file.ts';
import type { MarkdownPages } from '../ui/markdown-pages.ts';
import { timeText } from '../views/tree/texts.ts';
import { askPolicyFile } from './ask/ask-policy.ts';
import { applyDetail } from './flows/plan-page.ts';
import { who } from './flows/who.ts';
import { readPlan, showPlan } from './policy-plan.ts';
import { savedText } from './policy-text.ts';
import { requireTrust } from './policy-trust.ts';
import type { CommandHandler } from './registry.ts';

export function applyPolicy(app: App, pages: MarkdownPages): CommandHandler<'tidemark.policy.apply'> {
  return async (target, selection) => {
    requireTrust();
    const targets = selection.length > 1 ? selection : [target];
    for (const one of targets) {
      const { file } = await askPolicyFile(app, one, vscode.l10n.t('Apply Policy'));
      await planAndApply(app, pages, vscode.Uri.parse(file.uri, true));
    }
  };
}

/** Plans and asks; then applies. Undefined when the user wants to read the plan first. Throws `vscode.CancellationError` when not. */
export async function planAndApply(
  app: App,
  pages: MarkdownPages,
  uri: vscode.Uri,
): Promise<AppliedPolicy | undefined> {
  const text = await savedText(uri);
  const plan = await readPlan(app, text);
  if (plan.base?.sha256 === plan.sha256 && plan.base.change !== 'deleted') {
    void app.notify.info(vscode.l10n.t('{0} is applied as it is. Nothing was changed.', plan.name));
    return app.stores.policies.policy(plan.name);
  }
  const chosen = await app.notify.choose<'apply' | 'show'>({
    message: question(plan),
    detail: applyDetail(plan),
    answers: [
      { title: vscode.l10n.t('Apply'), value: 'apply' },
      { title: vscode.l10n.t('Show Plan'), value: 'show' },
    ],
  });
  if (chosen === 'apply') return applyPlanned(app, { uri, text, plan });
  await showPlan(pages, plan);
  offerToApply(app, pages, { uri, text, plan });
  return undefined;
}

interface Planned {
  readonly uri: vscode.Uri;
  readonly text: string;
  readonly plan: PolicyPlan;
}

function question({ name, base }: PolicyPlan): string {
  return base === undefined
    ? vscode.l10n.t('Apply policy {0}?', name)
    : vscode.l10n.t('Apply policy {0} in place of version {1}?', name, base.version);
}

/** After the plan was read. The file may be another one by then: that is planned anew. */
function offerToApply(app: App, pages: MarkdownPages, planned: Planned): void {
  const { name } = planned.plan;
  const apply = {
    title: vscode.l10n.t('Apply'),
    run: async (): Promise<void> => {
      const same = sha256Of(await savedText(planned.uri)) === sha256Of(planned.text);
      await (same ? applyPlanned(app, planned) : planAndApply(app, pages, planned.uri));
    },
  };
  void app.notify.info(vscode.l10n.t('The plan of {0} is shown. Nothing has been applied yet.', name), {
    actions: [apply],
  });
}

/** Throws `TM7003` when another version was applied since the plan was made. */
async function applyPlanned(app: App, { uri, text, plan }: Planned): Promise<AppliedPolicy> {
  requireTrust();
  const { policy } = await app.daemon.request(daemon.applyPolicy, {
    text,
    by: who(),
    source: vscode.workspace.asRelativePath(uri, true).slice(0, 4096),
    expectedVersion: plan.base?.version ?? 0,
  });
  tellApplied(app, policy);
  return policy;
}

/** Takes in what was applied, and says what comes next. */
export function tellApplied(app: App, policy: AppliedPolicy): void {
  app.stores.policies.apply(policy);
  app.stores.policyDetails.expire();
  const next =
    policy.nextRun === undefined
      ? vscode.l10n.t('It has no next run by schedule.')
      : vscode.l10n.t('Next run: {0}.', timeText(policy.nextRun.at));
  const applied = vscode.l10n.t('{0} is applied as version {1}.', policy.name, policy.current.version);
  void app.notify.info(`${applied} ${next}`);
}
