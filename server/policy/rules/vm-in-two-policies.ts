/** TM7306: VMs that another policy takes in too, with runs that start at about the same time: one of them has to wait, or leaves the VM out. */
import { diagnosticCodes } from '../diagnostic.ts';
import type { RelatedPlace } from '../diagnostic.ts';
import { policyTimezone } from '../policy-schema.ts';
import { finding } from './finding.ts';
import { indexOf } from './inventory-index.ts';
import { leaveOut } from './leave-out.ts';
import { momentText } from './moments.ts';
import { quoted, quotedList } from './names.ts';
import type { OtherPolicy, Rule } from './rule.ts';
import { selectionOf } from './selection.ts';
import type { Selection, Taken } from './selection.ts';
import { firstTogether, mayMeet } from './starts.ts';

export const vmInTwoPolicies: Rule = function* (source, { inventory, others, now }) {
  const { select, name, overlap } = source.draft;
  if (inventory === undefined || select === undefined) return;
  const index = indexOf(inventory);
  const { vms } = selectionOf(select, index);
  const consequence =
    overlap === 'skip'
      ? 'A VM that another run has then is left out.'
      : 'A VM that another run has then waits until that has ended.';
  for (const other of others) {
    if (other.draft.select === undefined || other.draft.name === name || !mayMeet(source.draft, other.draft)) continue;
    const theirs = selectionOf(other.draft.select, index);
    const shared = sharedVms(vms, theirs);
    const [first] = shared;
    if (first === undefined) continue;
    const together = firstTogether(source.draft, other.draft, now);
    if (together === undefined) continue;
    const ofFirst = shared.filter(({ entry, item }) => entry === first.entry && item === first.item);
    const zone = policyTimezone(source.draft);
    const names = quotedList(shared.map(({ vm }) => vm.name));
    const are = shared.length === 1 ? 'is' : 'are';
    yield finding(source, {
      code: diagnosticCodes.vmInTwoPolicies,
      severity: 'warning',
      message: `${names} ${are} in the policy ${quoted(other.draft.name ?? '?')} too, and runs of both begin at about ${momentText(zone, together)} (${zone}). ${consequence}`,
      path: ['select', first.entry, 'vms', first.item],
      related: placeIn(other, theirs, first),
      fixes: leaveOut(source, ofFirst),
    });
  }
};

/** The VMs of this policy that the other one takes in as well, looking through the smaller of both. */
function sharedVms(own: Selection['vms'], { vms: theirs }: Selection): readonly Taken[] {
  const shared: Taken[] = [];
  const smaller = own.size <= theirs.size ? own : theirs;
  for (const id of smaller.keys()) {
    const taken = own.get(id);
    if (taken !== undefined && theirs.has(id)) shared.push(taken);
  }
  return shared;
}

function placeIn({ uri, source }: OtherPolicy, { vms }: Selection, { vm }: Taken): readonly RelatedPlace[] {
  const taken = vms.get(vm.id);
  if (uri === undefined || source === undefined || taken === undefined) return [];
  const range = source.rangeOf(['select', taken.entry, 'vms', taken.item]);
  return range === undefined ? [] : [{ uri, range, message: `Takes in ${quoted(vm.name)} too.` }];
}
