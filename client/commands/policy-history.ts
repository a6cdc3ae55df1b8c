/** `tidemark.policy.history` and `tidemark.policy.rollBack`: what was applied when and by whom, and back to it. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { PolicyVersion } from '../../server/protocol/daemon.ts';
import type { App } from '../app.ts';
import type { PolicyTarget } from '../targets.ts';
import { pickOne } from '../ui/pick.ts';
import type { Choice } from '../ui/pick.ts';
import { versionChange } from '../views/policies/policy-child-rows.ts';
import { ageText, timeText } from '../views/tree/texts.ts';
import { askAppliedPolicy } from './ask/ask-policy.ts';
import { applyDetail } from './flows/plan-page.ts';
import { who } from './flows/who.ts';
import { tellApplied } from './policy-apply.ts';
import type { PolicyDocuments } from './policy-documents.ts';
import { readPlan } from './policy-plan.ts';
import type { CommandHandler } from './registry.ts';

/** Lets the user choose a version, then what to do with it. */
export function showHistory(app: App, documents: PolicyDocuments): CommandHandler<'tidemark.policy.history'> {
  return async (target) => {
    const title = vscode.l10n.t('History');
    const { name, version, current } = await askVersion(app, target, title);
    const chosen = { policyName: name, version };
    const doWith = await pickOne<'open' | 'compare' | 'back'>({
      title: vscode.l10n.t('{0}, version {1}', name, version),
      placeholder: vscode.l10n.t('What to do with it'),
      choices: [
        { label: vscode.l10n.t('Open'), iconPath: new vscode.ThemeIcon('go-to-file'), value: 'open' },
        ...(current === version
          ? []
          : ([
              {
                label: vscode.l10n.t('Compare with Applied Version'),
                iconPath: new vscode.ThemeIcon('diff'),
                value: 'compare',
              },
              { label: vscode.l10n.t('Roll Back to It…'), iconPath: new vscode.ThemeIcon('discard'), value: 'back' },
            ] as const)),
      ],
    });
    if (doWith === 'open') await documents.open(chosen);
    else if (doWith === 'compare') await documents.compare(chosen, { policyName: name, version: current });
    else await rollBack(app, name, version);
  };
}

export function rollBackPolicy(app: App): CommandHandler<'tidemark.policy.rollBack'> {
  return async (target) => {
    if (target?.policyName !== undefined && target.version !== undefined) {
      await rollBack(app, target.policyName, target.version);
      return;
    }
    const { name, version } = await askVersion(app, target, vscode.l10n.t('Roll Back Policy'), true);
    await rollBack(app, name, version);
  };
}

async function askVersion(
  app: App,
  target: PolicyTarget | undefined,
  title: string,
  onlyEarlier = false,
): Promise<{ readonly name: string; readonly version: number; readonly current: number }> {
  const { applied } = await askAppliedPolicy(app, target, title);
  const { name } = applied;
  const current = applied.current.version;
  const version = await pickOne<number>({
    title: `${title}: ${name}`,
    placeholder: vscode.l10n.t('Which version'),
    choices: async (signal) => {
      const { versions } = await app.daemon.request(daemon.getPolicyHistory, { name }, { signal });
      const now = Date.now();
      return versions
        .filter(({ change, version: number }) => change !== 'deleted' && !(onlyEarlier && number === current))
        .map((one) => versionChoice(one, current, now));
    },
  });
  return { name, version, current };
}

function versionChoice(version: PolicyVersion, current: number, now: number): Choice<number> {
  const when = `${timeText(version.at)} (${ageText(version.at, now)})`;
  const state = version.version === current ? vscode.l10n.t('applied now') : versionChange(version);
  return {
    label: vscode.l10n.t('Version {0}', version.version),
    description: [state, when, version.by].join(' · '),
    ...(version.source === undefined ? {} : { detail: version.source }),
    iconPath: new vscode.ThemeIcon(version.version === current ? 'pass' : 'git-commit'),
    value: version.version,
  };
}

/** Says first what it would do, as before a policy is applied. */
async function rollBack(app: App, name: string, version: number): Promise<void> {
  const { text } = await app.daemon.request(daemon.getPolicy, { name, version });
  const plan = await readPlan(app, text);
  await app.notify.confirm({
    message: vscode.l10n.t('Roll {0} back to version {1}?', name, version),
    detail: [
      applyDetail(plan),
      vscode.l10n.t('Its text becomes a new version. Files of the workspace stay as they are.'),
    ].join('\n\n'),
    confirm: vscode.l10n.t('Roll Back'),
  });
  const { policy } = await app.daemon.request(daemon.rollBackPolicy, { name, version, by: who() });
  tellApplied(app, policy);
}
