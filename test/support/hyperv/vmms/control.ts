/** What tests do from outside over the wire (`{"op":"control", …}`): set faults, play other products, restart VMMS, look at the ledger. */
import { literal, object, optional, record, string, union } from '../../../../server/protocol/parse.ts';
import { faultChanges } from './faults.ts';
import type { FaultSwitches } from './faults.ts';
import * as foreign from './foreign.ts';
import type { Ledger } from './ledger.ts';
import { userSnapshot } from './model/machine.ts';
import { noNotes, vmNotes } from './notes.ts';
import type { VmNotes } from './notes.ts';
import type { Counts } from './questions.ts';
import type { Vmms } from './vmms.ts';

const vmId = string({ maxLength: 64 });
const id = string({ maxLength: 256 });
const anything = (input: unknown): unknown => input;

const noteChanges = (input: unknown, path: string): Partial<VmNotes> => {
  const given = record(anything)(input, path);
  const whole = new Map(Object.entries(vmNotes({ ...noNotes, ...given }, path)));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- fields of notes that were parsed as a whole
  return Object.fromEntries(Object.keys(given).map((name) => [name, whole.get(name)])) as Partial<VmNotes>;
};

const control = union('do', {
  faults: object({ do: literal('faults'), set: faultChanges }),
  reset: object({ do: literal('reset') }),
  restart: object({ do: literal('restart') }),
  describe: object({ do: literal('describe'), vmId, notes: noteChanges }),
  foreignSnapshot: object({ do: literal('foreignSnapshot'), vmId }),
  foreignReferencePoint: object({ do: literal('foreignReferencePoint'), vmId }),
  paperSnapshot: object({
    do: literal('paperSnapshot'),
    vmId,
    type: optional(string()),
    name: optional(string({ allowEmpty: true })),
  }),
  removeSnapshot: object({ do: literal('removeSnapshot'), id }),
  loseReferencePoint: object({ do: literal('loseReferencePoint'), id }),
  mergesSettled: object({ do: literal('mergesSettled') }),
  leftovers: object({ do: literal('leftovers') }),
  foreign: object({ do: literal('foreign') }),
  history: object({ do: literal('history') }),
  counts: object({ do: literal('counts') }),
});

/** What the control needs of the server. */
interface Controlled {
  readonly vmms: () => Vmms;
  readonly faults: FaultSwitches;
  readonly ledger: Ledger;
  readonly counts: Counts;
  restart(): Promise<void>;
}

/** Carries out one order; its result is the `result` of the answer. */
export async function carryOut(input: unknown, server: Controlled): Promise<unknown> {
  const order = control(input, 'control');
  const vmms = server.vmms();
  switch (order.do) {
    case 'faults':
      return server.faults.set(order.set);
    case 'reset':
      return server.faults.reset();
    case 'restart':
      return server.restart();
    case 'describe':
      return foreign.describeVm(vmms, order.vmId, order.notes);
    case 'foreignSnapshot':
      return foreign.foreignSnapshot(vmms, order.vmId);
    case 'foreignReferencePoint':
      return foreign.foreignReferencePoint(vmms, order.vmId);
    case 'paperSnapshot':
      return foreign.paperSnapshot(vmms, order.vmId, order.type ?? userSnapshot, order.name ?? 'Checkpoint');
    case 'removeSnapshot':
      return foreign.foreignRemoval(vmms, order.id);
    case 'loseReferencePoint':
      return foreign.loseReferencePoint(vmms, order.id);
    case 'mergesSettled':
      return vmms.merges.settled();
    case 'leftovers':
      return server.ledger.leftovers(vmms.world);
    case 'foreign':
      return server.ledger.foreign(vmms.world);
    case 'history':
      return server.ledger.history();
    case 'counts':
    default:
      return Object.fromEntries(server.counts);
  }
}
