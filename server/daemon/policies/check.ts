/** Whether a text may be applied: the one check of policy files, with what the daemon itself knows. */
import { checkPolicy, parsePolicy, positionsOf } from '../../policy/index.ts';
import type { OtherPolicy, Policy, PolicyDiagnostic, PolicySource } from '../../policy/index.ts';
import type { PolicyFinding } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { PolicyInventory } from '../../protocol/policy-inventory.ts';

/** What a text is checked against. */
export interface CheckContext {
  /** ms since 1970. */
  readonly now: number;
  readonly inventory: PolicyInventory;
  /** The applied policies; the one that the text itself names is left out. */
  readonly applied: readonly { readonly name: string; readonly policy: Policy }[];
}

/** A text that was checked. */
export interface CheckedPolicy {
  readonly source: PolicySource;
  readonly diagnostics: readonly PolicyDiagnostic[];
}

/** Limits of `policyFinding` and of lists of them in protocol/daemon. */
const maxFindings = 1024;
const maxMessage = 4096;

/** Checks a text; what is wrong is in the answer. */
export function checkText(text: string, { now, inventory, applied }: CheckContext): CheckedPolicy {
  const source = parsePolicy(text);
  const others = applied.flatMap(({ name, policy }): readonly OtherPolicy[] =>
    name === source.draft.name ? [] : [{ draft: policy }],
  );
  return { source, diagnostics: checkPolicy(source, { now, inventory, others }) };
}

/** The policy of a text without errors. Throws `TM7001` with the first error, in the order of the lines. */
export function acceptPolicy({ source, diagnostics }: CheckedPolicy): Policy {
  const errors = diagnostics
    .filter(({ severity }) => severity === 'error')
    .toSorted((a, b) => a.range.start - b.range.start);
  const [first] = errors;
  if (first === undefined && source.policy !== undefined) return source.policy;
  const line = first === undefined ? 1 : positionsOf(source.text)(first.range.start).line + 1;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  throw new TidemarkError(
    errorCodes.policyInvalid,
    `The policy is not valid. Line ${line}: ${first?.message ?? 'it cannot be read.'}${more}`.slice(0, maxMessage),
    { hint: 'Mend the file and try again. `tidemark policy validate FILE` shows everything that was found.' },
  );
}

/** What was found, as clients get it. */
export function findingsOf({ source, diagnostics }: CheckedPolicy): readonly PolicyFinding[] {
  const position = positionsOf(source.text);
  return diagnostics.slice(0, maxFindings).map(({ code, severity, message, range }) => ({
    code,
    severity,
    message: message.slice(0, maxMessage),
    start: position(range.start),
    end: position(range.end),
  }));
}
