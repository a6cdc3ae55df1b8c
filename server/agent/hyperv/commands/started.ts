/** How a method that may become a job answers. */
import { literal, object, string, union } from '../../../protocol/parse.ts';
import type { Parsed } from '../../../protocol/parse.ts';

/** `Msvm_ConcreteJob.InstanceID` or `Msvm_StorageJob.InstanceID`. */
export const jobId = string({ maxLength: 256 });

/** Return code 0: done; 4096: a job runs (hyperv-rct.md 1.1). Any other one is an error of the function. */
export const started = union('state', {
  done: object({ state: literal('done') }),
  started: object({ state: literal('started'), jobId }),
});
export type Started = Parsed<typeof started>;
