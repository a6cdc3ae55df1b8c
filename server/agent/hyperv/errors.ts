/** What a failure of Hyper-V means: a code, a sentence and a hint for people; never by words of a message, which are translated. */
import { oneLine } from '../../base/one-line.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { ModuleError } from './commands/answer.ts';

/** The error of a function of the module, for people. */
export function moduleFailure(error: ModuleError, name: string): TidemarkError {
  return new TidemarkError(errorCodes.hypervOperationFailed, `${name} failed: ${oneLine(error.message, 1024)}`, {
    cause: error,
  });
}

/** Whether a session that gave this answer should be replaced: its connection to WMI, or its memory, may be gone. */
export function isDoubtful(error: ModuleError): boolean {
  return doubtful.has(error.hresult);
}

/** RPC server unavailable, RPC call failed, provider load failure, out of memory (COM and WMI). */
const doubtful: ReadonlySet<number> = new Set([0x800706ba, 0x800706be, 0x80041013, 0x8007000e, 0x80041006]);
