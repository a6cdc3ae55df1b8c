/**
 * Whose a checkpoint or reference point is. A daemon may use and remove what carries its own mark: not what another daemon made, and never what another
 * product made. The mark is what a daemon says of itself, so this keeps apart daemons that are honest.
 */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { CheckpointId, OwnerId, ReferencePointId, VmId } from '../protocol/ids.ts';
import type { HostProvider } from './provider.ts';

/** Things remembered of one session: marks never change, so that a run asks the host for none of them again. */
const maxRemembered = 4096;

/** What is known of a thing on the host. */
export interface Marked<I extends string> {
  readonly id: I;
  readonly vmId: VmId;
  readonly owner?: OwnerId | undefined;
}

/** Things of one kind, the ones heard of last. */
class Remembered<I extends string> {
  readonly #things = new Map<I, Marked<I>>();

  learn(things: readonly Marked<I>[]): void {
    for (const { id, vmId, owner } of things.slice(-maxRemembered)) {
      this.#things.delete(id);
      this.#things.set(id, { id, vmId, owner });
    }
    for (const id of this.#things.keys()) {
      if (this.#things.size <= maxRemembered) break;
      this.#things.delete(id);
    }
  }

  /** What is known of `id`, asking the host when nothing is; undefined when it has no such thing. */
  async find(id: I, list: () => Promise<readonly Marked<I>[]>): Promise<Marked<I> | undefined> {
    const known = this.#things.get(id);
    if (known !== undefined) return known;
    const found = (await list()).find((thing) => thing.id === id);
    if (found !== undefined) this.learn([found]);
    return found;
  }
}

/** What one session knows of checkpoints and reference points. */
export class Grants {
  readonly checkpoints = new Remembered<CheckpointId>();
  readonly referencePoints = new Remembered<ReferencePointId>();

  /** The VM of a checkpoint of `owner`; undefined when the host has no such checkpoint, which the provider then says. Throws `TM2218`. */
  async checkpoint(
    id: CheckpointId,
    owner: OwnerId,
    provider: HostProvider,
    signal: AbortSignal,
  ): Promise<VmId | undefined> {
    const found = await this.checkpoints.find(id, async () => provider.listCheckpoints(undefined, signal));
    if (found === undefined || found.owner === owner) return found?.vmId;
    throw notOurs('checkpoint', id, found.owner);
  }

  /**
   * The VM of a reference point that does not carry another daemon's mark; undefined when the host has no such one. One without a mark came with its VM from another host: the provider
   * asks for its tracking ids. Throws `TM2218`.
   */
  async referencePoint(
    id: ReferencePointId,
    owner: OwnerId,
    provider: HostProvider,
    signal: AbortSignal,
  ): Promise<VmId | undefined> {
    const found = await this.referencePoints.find(id, async () => provider.listReferencePoints(undefined, signal));
    if (found?.owner === undefined || found.owner === owner) return found?.vmId;
    throw notOurs('reference point', id, found.owner);
  }
}

function notOurs(what: string, id: string, owner: OwnerId | undefined): TidemarkError {
  const whose = owner === undefined ? 'was not made by Tidemark' : `belongs to another daemon (${owner})`;
  return new TidemarkError(errorCodes.notOwnObject, `The ${what} ${id} ${whose}, so this daemon may not use it.`, {
    hint: 'The daemon that made it removes it. When that daemon is gone for good, remove it in Hyper-V.',
  });
}
