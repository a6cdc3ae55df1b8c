/** What a new agent does before it serves: bringing to an end what a dead one had begun. */
import { throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import { adopt } from './checkpoints/adopt.ts';
import type { Core } from './core.ts';

/** A part of the provider that may have left something. */
export type RecoverPart = (signal: AbortSignal) => Promise<readonly string[]>;

/**
 * Puts the host in order, part by part. What fails is said and left for later: while Windows starts, the agent may be there before
 * Hyper-V is, and a damaged thing must not keep VMs from being backed up. Gives a sentence for each thing done.
 */
export async function recover(
  core: Core,
  parts: readonly RecoverPart[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const done: string[] = [];
  const checkpoints: RecoverPart = async (wanted) => {
    await core.host.get(wanted);
    return adopt(core, undefined, wanted);
  };
  for (const part of [checkpoints, ...parts]) {
    throwIfAborted(signal);
    try {
      done.push(...(await part(signal)));
    } catch (error) {
      throwIfAborted(signal);
      core.log.log('warning', 'Something that an earlier agent left could not be put in order.', error);
      done.push(`Not put in order yet: ${TidemarkError.from(error).message}`);
    }
  }
  return done;
}
