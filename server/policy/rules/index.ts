/** All rules, in the order in which their findings are shown. */
import type { PolicyDiagnostic } from '../diagnostic.ts';
import type { PolicySource } from '../source.ts';
import { cronNeverFires } from './cron-never-fires.ts';
import { cronSkippedHour } from './cron-skipped-hour.ts';
import { cronSurprising } from './cron-surprising.ts';
import { diskNotTracked } from './disk-not-tracked.ts';
import { duplicatePolicyName } from './duplicate-policy-name.ts';
import { excludedDiskIsCopied } from './excluded-disk-is-copied.ts';
import { noSchedule } from './no-schedule.ts';
import { notChecked } from './not-checked.ts';
import { noDiskExcluded, nothingExcluded } from './nothing-excluded.ts';
import { nothingSelected } from './nothing-selected.ts';
import { retentionKeepsNothing } from './retention-keeps-nothing.ts';
import { retentionUnreachable } from './retention-unreachable.ts';
import type { Rule, RuleContext } from './rule.ts';
import { scheduleTwice } from './schedule-twice.ts';
import { unknownDisk } from './unknown-disk.ts';
import { unknownHost } from './unknown-host.ts';
import { unknownRepository } from './unknown-repository.ts';
import { unknownVm } from './unknown-vm.ts';
import { vmInTwoPolicies } from './vm-in-two-policies.ts';
import { vmTooOld } from './vm-too-old.ts';
import { webhookNotSecure } from './webhook-not-secure.ts';
import { windowEmpty, windowNeverOpen } from './window.ts';

const rules: readonly Rule[] = [
  duplicatePolicyName,
  noSchedule,
  cronNeverFires,
  cronSkippedHour,
  cronSurprising,
  scheduleTwice,
  windowEmpty,
  windowNeverOpen,
  retentionKeepsNothing,
  retentionUnreachable,
  webhookNotSecure,
  notChecked,
  unknownRepository,
  unknownHost,
  unknownVm,
  nothingSelected,
  nothingExcluded,
  vmInTwoPolicies,
  vmTooOld,
  diskNotTracked,
  unknownDisk,
  noDiskExcluded,
  excludedDiskIsCopied,
];

/** More findings of one rule than these help nobody. */
const maxPerRule = 50;

/** Everything that is wrong with a policy: what parsing found, then what the rules find. */
export function checkPolicy(source: PolicySource, context: RuleContext): readonly PolicyDiagnostic[] {
  const found = [...source.diagnostics];
  for (const rule of rules) {
    let left = maxPerRule;
    for (const diagnostic of rule(source, context)) {
      found.push(diagnostic);
      left -= 1;
      if (left === 0) break;
    }
  }
  return found;
}
