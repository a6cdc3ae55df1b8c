/** The methods of jobs. */
import { WmiFailure } from '../wire.ts';
import type { Value } from '../wire.ts';
import type { Vmms } from '../vmms.ts';
import { numberArgument } from './arguments.ts';
import type { Arguments } from './arguments.ts';

/** `Msvm_Error` for one text. */
const errorInstance = (message: string, code: number): Value => ({
  className: 'Msvm_Error',
  properties: {
    Message: message,
    MessageID: String(code),
    ErrorSource: 'Microsoft-Windows-Hyper-V-VMMS',
    ErrorType: 4,
    OwningEntity: 'Hyper-V',
    PerceivedSeverity: 5,
    ProbableCause: 0,
  },
});

/** Calls a method of a job. Throws 0x80041002 when the job is not there any more. */
export function jobMethod(
  vmms: Vmms,
  id: string,
  method: string,
  given: Arguments,
): { readonly returnValue: number; readonly out: Readonly<Record<string, Value>> } {
  const job = vmms.jobs.get(id);
  if (job === undefined) throw new WmiFailure(0x80041002, 'NotFound', 'Not found');
  const errors = job.endedAt === undefined ? [] : job.errors.map((text) => errorInstance(text, job.errorCode));
  switch (method) {
    case 'GetErrorEx':
      return { returnValue: 0, out: { Errors: errors.length === 0 ? null : errors } };
    case 'GetError':
      return { returnValue: 0, out: { Error: errors[0] ?? null } };
    case 'RequestStateChange':
      return { returnValue: job.requestState(numberArgument(given, 'RequestedState')), out: {} };
    default:
      throw new WmiFailure(0x80041055, 'MethodNotFound', `A job has no method ${method}.`);
  }
}
