/** The commands of policies, with the documents and pages that they share. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import { MarkdownPages } from '../ui/markdown-pages.ts';
import { applyPolicy } from './policy-apply.ts';
import { comparePolicy, openPolicy, openVersion } from './policy-compare.ts';
import { createPolicy } from './policy-create.ts';
import { PolicyDocuments } from './policy-documents.ts';
import { rollBackPolicy, showHistory } from './policy-history.ts';
import { planPolicy, previewRetention } from './policy-plan.ts';
import { runPolicy, runPolicyInFull } from './policy-run.ts';
import { deletePolicy, pausePolicy, resumePolicy } from './policy-state.ts';
import { revealVm, showPolicyVms } from './policy-vms.ts';
import type { CommandHandlers } from './registry.ts';

export function policyCommands(app: App): CommandHandlers {
  const documents = app.own(new PolicyDocuments(app));
  const missing = (): string => vscode.l10n.t('Plan the policy again to read this.');
  const pages = app.own(new MarkdownPages('tidemark-plan', missing));
  return {
    'tidemark.policies.refresh': async () => app.views.policies.refresh(),
    'tidemark.policy.create': createPolicy(app),
    'tidemark.policy.plan': planPolicy(app, pages),
    'tidemark.policy.apply': applyPolicy(app, pages),
    'tidemark.policy.compare': comparePolicy(app, documents),
    'tidemark.policy.history': showHistory(app, documents),
    'tidemark.policy.rollBack': rollBackPolicy(app),
    'tidemark.policy.backUp': runPolicy(app, pages),
    'tidemark.policy.backUpFull': runPolicyInFull(app, pages),
    'tidemark.policy.showVms': showPolicyVms(app),
    'tidemark.policy.previewRetention': previewRetention(app, pages),
    'tidemark.policy.pause': pausePolicy(app),
    'tidemark.policy.resume': resumePolicy(app),
    'tidemark.policy.delete': deletePolicy(app),
    'tidemark.policy.open': openPolicy(app, documents),
    'tidemark.policy.openVersion': openVersion(documents),
    'tidemark.vm.reveal': revealVm(app),
  };
}
