/** Lenses above a policy's name: what can be done with it, what it takes in, and how it stands on the daemon. */
import { createHash } from 'node:crypto';

import type { CodeLens } from 'vscode-languageserver';

import { policyTimezone, selectVms } from '../policy/index.ts';
import type { PolicySource } from '../policy/index.ts';
import type { AppliedPolicy } from '../protocol/daemon/policy-model.ts';
import { maxShownVms, policyCommands } from '../protocol/policy-language.ts';
import { appliedOf } from './context.ts';
import type { LanguageContext } from './context.ts';
import { isTooLarge, rangeIn } from './document.ts';
import type { PolicyDocument } from './document.ts';
import { runWords } from './words/run.ts';
import { countText } from './words/text.ts';
import { timestampText } from './words/time.ts';

interface Lens {
  readonly title: string;
  /** None: it only says something. */
  readonly command?: string;
  readonly argument?: unknown;
}

/** None when the daemon cannot be asked: nothing could be done then, and nothing is known. */
export function codeLenses(document: PolicyDocument, context: LanguageContext): readonly CodeLens[] {
  const { source } = document;
  const name = source.rangeOf(['name'], 'entry');
  if (isTooLarge(document) || name === undefined || context.inventory === undefined) return [];
  const policyUri = document.text.uri;
  const applied = appliedOf(source.draft.name, context);
  const lenses = [
    ...actions(source, applied, context).map((lens) => ({ ...lens, argument: { policyUri } })),
    ...selected(source, policyUri, context),
    ...(applied === undefined ? [] : standing(source, applied)),
  ];
  const range = rangeIn(document, name);
  return lenses.map(({ title, command = '', argument }) => ({
    range,
    command: { title, command, ...(argument === undefined ? {} : { arguments: [argument] }) },
  }));
}

function actions(
  source: PolicySource,
  applied: AppliedPolicy | undefined,
  { trusted }: LanguageContext,
): readonly Lens[] {
  const changed = applied !== undefined && applied.current.sha256 !== sha256(source.text);
  const state = stateLens(applied, changed);
  if (!trusted) return [state.command === undefined ? state : { title: state.title }];
  return [
    ...(applied === undefined ? [] : [{ title: '$(play) Run now', command: policyCommands.backUp }]),
    // A text with errors cannot be planned; its diagnostics say why.
    ...(source.policy === undefined ? [] : [{ title: '$(search) Plan', command: policyCommands.plan }]),
    ...(source.policy === undefined || (applied !== undefined && !changed)
      ? []
      : [{ title: '$(cloud-upload) Apply', command: policyCommands.apply }]),
    state,
  ];
}

function stateLens(applied: AppliedPolicy | undefined, changed: boolean): Lens {
  if (applied === undefined) return { title: 'Not applied' };
  const { version } = applied.current;
  return changed
    ? { title: `Changed since applied (version ${version})`, command: policyCommands.compare }
    : { title: `Applied (version ${version})` };
}

function selected(source: PolicySource, policyUri: string, { inventory }: LanguageContext): readonly Lens[] {
  const { select, name } = source.draft;
  if (select === undefined || inventory === undefined) return [];
  const vms = selectVms(select, inventory);
  const title = countText(vms.length, 'VM');
  if (vms.length === 0) return [{ title }];
  const argument = { policyUri, policyName: name ?? '' };
  // Who clicks is to find all of them: of a text without errors a plan names them.
  if (vms.length > maxShownVms && source.policy !== undefined)
    return [{ title, command: policyCommands.showVms, argument }];
  const shown = vms.slice(0, maxShownVms).map((vm) => ({ host: vm.host, vmId: vm.id, vmName: vm.name }));
  return [{ title, command: policyCommands.showVms, argument: { ...argument, vms: shown } }];
}

/** When it runs next, and how it ran last. */
function standing(source: PolicySource, applied: AppliedPolicy): readonly Lens[] {
  const timezone = policyTimezone(source.draft);
  const { nextRun, lastRun, paused } = applied;
  const next: readonly Lens[] =
    paused !== undefined
      ? [{ title: '$(debug-pause) Paused' }]
      : nextRun === undefined
        ? []
        : [{ title: `Next run ${timestampText(nextRun.at, timezone)}` }];
  if (lastRun === undefined) return next;
  const { id, state, startedAt, finishedAt, succeeded, total } = lastRun;
  const when = finishedAt ?? startedAt;
  const moment = when === undefined ? '' : ` ${timestampText(when, timezone)}`;
  const title = `Last run ${runWords(state)}${moment}, ${succeeded} of ${countText(total, 'VM')}`;
  return [...next, { title, command: policyCommands.showRun, argument: { runId: id } }];
}

/** The hash that the daemon keeps of the text of a version. */
function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
