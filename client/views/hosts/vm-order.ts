/** In which order the VMs of a host are shown. */
import type { VmEntry } from '../../../server/protocol/daemon.ts';
import { millis } from '../tree/texts.ts';

export type VmOrder = 'name' | 'lastBackup';

/** Orders lists that are by name; the same list gives the same order, made once. */
export class VmOrdering {
  #by: VmOrder = 'name';
  #ordered = new WeakMap<readonly VmEntry[], readonly VmEntry[]>();

  set by(order: VmOrder) {
    if (order !== this.#by) this.#ordered = new WeakMap();
    this.#by = order;
  }

  /** By name, or what needs a backup most: never backed up, then the oldest restore point first, and by name among equals. */
  of(entries: readonly VmEntry[]): readonly VmEntry[] {
    if (this.#by === 'name') return entries;
    const known = this.#ordered.get(entries);
    if (known !== undefined) return known;
    const ordered = entries.toSorted((a, b) => lastBackup(a) - lastBackup(b));
    this.#ordered.set(entries, ordered);
    return ordered;
  }
}

/** Ms since 1970. */
const lastBackup = ({ lastRestorePoint }: VmEntry): number =>
  lastRestorePoint === undefined ? 0 : millis(lastRestorePoint.createdAt);
