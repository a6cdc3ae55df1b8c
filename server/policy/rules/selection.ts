/** What each entry of `select` takes in. Agrees with `selectVms`, which a property test sees to, and is fast where that is simple. */
import { matchesGlob } from '../../base/glob.ts';
import type { InventoryVm } from '../../protocol/policy-inventory.ts';
import { isLivelier, isPattern } from '../match.ts';
import type { SelectEntry } from '../policy-schema.ts';
import type { IndexedVm, InventoryIndex } from './inventory-index.ts';

/** A VM that is in, where it runs when several hosts have it, and the first item of `vms` that names it there: `select[entry].vms[item]`. */
export interface Taken {
  readonly vm: InventoryVm;
  readonly entry: number;
  readonly item: number;
}

/** What one entry does. */
export interface EntrySelection {
  /** For each item of `vms`, how many VMs it names, before `exclude`. */
  readonly named: readonly number[];
  /** For each item of `exclude`, how many of those VMs it leaves out. */
  readonly excluded: readonly number[];
  /** How many VMs are in. */
  readonly taken: number;
}

/** What a selection does. */
export interface Selection {
  readonly entries: readonly EntrySelection[];
  /** By the ids of the VMs. */
  readonly vms: ReadonlyMap<string, Taken>;
}

const selections = new WeakMap<InventoryIndex, WeakMap<readonly SelectEntry[], Selection>>();

/** What a selection takes in. Remembered as long as both exist. */
export function selectionOf(select: readonly SelectEntry[], index: InventoryIndex): Selection {
  let known = selections.get(index);
  if (known === undefined) selections.set(index, (known = new WeakMap()));
  let selection = known.get(select);
  if (selection === undefined) known.set(select, (selection = evaluate(select, index)));
  return selection;
}

function evaluate(select: readonly SelectEntry[], index: InventoryIndex): Selection {
  const vms = new Map<string, Taken>();
  const entries = select.map((entry, at) => {
    const { named, candidates } = candidatesOf(entry, index);
    const excluded: number[] = [];
    for (const pattern of entry.exclude ?? []) {
      const matches = matcherOf(pattern);
      let count = 0;
      for (const candidate of candidates.values()) {
        if (!matches(candidate.indexed)) continue;
        count += 1;
        candidate.out = true;
      }
      excluded.push(count);
    }
    let taken = 0;
    for (const { indexed, item, out } of candidates.values()) {
      if (out) continue;
      taken += 1;
      const other = vms.get(indexed.vm.id);
      if (other === undefined || isLivelier(indexed.vm, other.vm))
        vms.set(indexed.vm.id, { vm: indexed.vm, entry: at, item });
    }
    return { named, excluded, taken };
  });
  return { entries, vms };
}

interface Candidate {
  readonly indexed: IndexedVm;
  readonly item: number;
  out: boolean;
}

/** The VMs that `vms` names. A VM that two hosts have under one id is there twice. */
function candidatesOf(entry: SelectEntry, index: InventoryIndex) {
  const candidates = new Map<InventoryVm, Candidate>();
  const onHosts = index.vmsOn(entry.host);
  const named = entry.vms.map((pattern, item) => {
    let count = 0;
    const add = (indexed: IndexedVm): void => {
      count += 1;
      if (!candidates.has(indexed.vm)) candidates.set(indexed.vm, { indexed, item, out: false });
    };
    if (isPattern(pattern)) {
      const matches = matcherOf(pattern);
      for (const indexed of onHosts) if (matches(indexed)) add(indexed);
      return count;
    }
    for (const indexed of index.vmsWithId(pattern)) add(indexed);
    for (const indexed of index.vmsNamed(pattern)) if (matchesGlob(entry.host, indexed.host)) add(indexed);
    return count;
  });
  return { named, candidates };
}

/** Whether an item of `vms` or `exclude` means a VM. Most patterns are a text with a star before or behind it. */
function matcherOf(pattern: string): (vm: IndexedVm) => boolean {
  const wanted = pattern.toUpperCase();
  if (!isPattern(wanted)) return ({ name, vm }) => name === wanted || vm.id === wanted;
  const text = wanted.replace(/^\*|\*$/g, '');
  if (isPattern(text)) return ({ name }) => matchesGlob(wanted, name);
  if (!wanted.startsWith('*')) return ({ name }) => name.startsWith(text);
  return wanted.endsWith('*') ? ({ name }) => name.includes(text) : ({ name }) => name.endsWith(text);
}
