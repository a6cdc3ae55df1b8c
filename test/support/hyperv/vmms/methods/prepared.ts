/** What a method has ready when its parameters are checked: something to do, or the answer itself. */
import type { Work } from '../jobs.ts';
import type { Reference, Value } from '../wire.ts';
import type { Vmms } from '../vmms.ts';
import type { Arguments } from './arguments.ts';

export type Out = Readonly<Record<string, Value>>;

export interface Prepared {
  readonly work: Omit<Work, 'method'>;
  /** The out parameters, once the work is done. */
  readonly out?: () => Out;
}

/** A method of the object `target`, a service as a rule. Throws `MethodFailure` when it refuses at once. */
export type Method = (vmms: Vmms, given: Arguments, target: Reference) => Prepared | Promise<Prepared>;
