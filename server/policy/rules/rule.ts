/** What a rule is: one thing that can be wrong with a policy whose values are valid by themselves. */
import type { PolicyInventory } from '../../protocol/policy-inventory.ts';
import type { PolicyDiagnostic } from '../diagnostic.ts';
import type { PolicyDraft } from '../policy-schema.ts';
import type { PolicySource } from '../source.ts';

/** Another policy: of the workspace, or applied on the daemon. */
export interface OtherPolicy {
  /** Its file; absent for one that is only applied. */
  readonly uri?: string;
  readonly draft: PolicyDraft;
  /** Where its name is, in its file. */
  readonly source?: PolicySource;
}

/** What policies are checked against. */
export interface RuleContext {
  /** ms since 1970. */
  readonly now: number;
  /** Undefined: nobody can be asked, names are not checked. */
  readonly inventory: PolicyInventory | undefined;
  /** All but the checked one. */
  readonly others: readonly OtherPolicy[];
}

/**
 * Finds one kind of problem. Sees only values that are valid; must not throw, and must be fast for 5,000 VMs and 200 policies. One that can find
 * many gives them one by one: nobody asks for all of them.
 */
export type Rule = (source: PolicySource, context: RuleContext) => Iterable<PolicyDiagnostic>;
