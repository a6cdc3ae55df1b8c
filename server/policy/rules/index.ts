/** All rules, in the order in which their findings are shown. */
import type { PolicyDiagnostic } from '../diagnostic.ts';
import type { PolicySource } from '../source.ts';
import type { Rule, RuleContext } from './rule.ts';

const rules: readonly Rule[] = [];

/** Everything that is wrong with a policy: what parsing found, then what the rules find. */
export function checkPolicy(source: PolicySource, context: RuleContext): readonly PolicyDiagnostic[] {
  return [...source.diagnostics, ...rules.flatMap((rule) => rule(source, context))];
}
