/** What features know besides the file: what the editor answered, and the time. */
import type { OtherPolicy, RuleContext } from '../policy/index.ts';
import type { AppliedPolicy } from '../protocol/daemon/policy-model.ts';

/** Nothing in it changes: another answer of the editor makes another context. */
export interface LanguageContext extends RuleContext {
  /** What is applied on the daemon. */
  readonly applied: readonly AppliedPolicy[];
  /** Whether the workspace is trusted: without trust nothing offers to run. */
  readonly trusted: boolean;
  /** Policies of other files, and applied ones without a file. */
  readonly others: readonly OtherPolicy[];
  /** URI of the folder with the pages that explain the codes of diagnostics. */
  readonly documentation: string | undefined;
}

/** The applied policy that a file's name stands for. */
export function appliedOf(name: string | undefined, { applied }: LanguageContext): AppliedPolicy | undefined {
  return applied.find((policy) => policy.name === name);
}
