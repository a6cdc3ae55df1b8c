/** Who made the snapshots and reference points on the VMs, and what became of them: a suite turns red when one leaks, or a foreign one is destroyed. */
import { ownerId } from '../../../../server/protocol/ids.ts';
import type { OwnerId } from '../../../../server/protocol/ids.ts';
import { openCheckpoint } from './model/machine.ts';
import type { World } from './world.ts';

/** The simulated host's mark on what was asked for over the wire. */
export const wireOwner = ownerId('77697265000000000000000000000001', 'owner');
/** Its mark on what another product made. */
export const foreignOwner = ownerId('66666666000000000000000000000002', 'owner');

export interface Entry {
  readonly kind: 'snapshot' | 'reference point';
  readonly id: string;
  readonly vmId: string;
}

const madeBy = (owner: OwnerId | undefined): 'wire' | 'foreign' | 'other' => {
  if (owner === wireOwner) return 'wire';
  return owner === foreignOwner ? 'foreign' : 'other';
};

/** What is there now, of one maker. */
function present(world: World, maker: 'wire' | 'foreign'): readonly Entry[] {
  return world.vms().flatMap(({ id: vmId, document, notes }) => {
    const open = openCheckpoint(document);
    const found: Entry[] = [];
    if (open !== undefined && madeBy(open.owner) === maker) found.push({ kind: 'snapshot', id: open.id, vmId });
    if (maker === 'foreign') {
      for (const paper of notes.paperSnapshots) found.push({ kind: 'snapshot', id: paper.id, vmId });
    }
    for (const point of document.referencePoints) {
      if (madeBy(point.owner) === maker) found.push({ kind: 'reference point', id: point.id, vmId });
    }
    return found;
  });
}

/** The ledger of one VMMS. It outlives restarts. */
export class Ledger {
  readonly #made: Entry[] = [];
  readonly #destroyed: Entry[] = [];

  made(entry: Entry): void {
    this.#made.push(entry);
  }

  destroyed(entry: Entry): void {
    this.#destroyed.push(entry);
  }

  /** What was made over the wire and is still there. */
  leftovers(world: World): readonly Entry[] {
    return present(world, 'wire');
  }

  /** What others made and is still there. */
  foreign(world: World): readonly Entry[] {
    return present(world, 'foreign');
  }

  /** Everything that was made and destroyed over the wire, in order. */
  history(): { readonly made: readonly Entry[]; readonly destroyed: readonly Entry[] } {
    return { made: [...this.#made], destroyed: [...this.#destroyed] };
  }
}
