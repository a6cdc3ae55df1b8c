/** The policy model: parse, check, select VMs, plan. No connection, no clock of its own, no editor. */
export { policyChanges } from './changes.ts';
export type { PolicyChange } from './changes.ts';
export { diagnosticCodes } from './diagnostic.ts';
export type { DiagnosticCode, Fix, PolicyDiagnostic, RelatedPlace, Severity, TextRange } from './diagnostic.ts';
export { isPattern, selectVms } from './match.ts';
export { entryTimezone, policyJsonSchema, policySchema, policyTimezone } from './policy-schema.ts';
export type { Policy, PolicyDraft, RetentionRules, ScheduleEntry, SelectEntry } from './policy-schema.ts';
export { checkPolicy } from './rules/index.ts';
export type { OtherPolicy, RuleContext } from './rules/rule.ts';
export { parsePolicy, positionsOf } from './source.ts';
export type { PolicySource } from './source.ts';
export { decodePolicy, maxPolicyBytes } from './text.ts';
