/**
 * A fake of `root\virtualization\v2` (and what little of `root\cimv2` is asked for) over the directory of a simulated host: what it answers is
 * computed from the host's files at each question, and its methods act on them. It speaks the wire of the CIM cmdlets of the test host.
 */
import type { Socket } from 'node:net';
import { resolve } from 'node:path';

import { listening } from '../../servers.ts';
import { carryOut } from './control.ts';
import { FaultSwitches } from './faults.ts';
import * as foreign from './foreign.ts';
import { Ledger } from './ledger.ts';
import type { Entry } from './ledger.ts';
import { lineServer } from './lines.ts';
import type { VmNotes } from './notes.ts';
import { samePaths, winePaths } from './paths.ts';
import { Answers } from './questions.ts';
import type { Counts } from './questions.ts';
import { createVmms } from './vmms.ts';
import type { Vmms } from './vmms.ts';
import { World } from './world.ts';

export type { Entry } from './ledger.ts';
export type { Faults } from './faults.ts';
export { noFaults } from './faults.ts';

export interface VmmsOptions {
  /** `wine` writes `/x/y` as `Z:\x\y`. Default `same`. */
  readonly paths?: 'same' | 'wine' | undefined;
  /** Milliseconds since 1970; default the machine's clock. Jobs vanish by it. */
  readonly now?: (() => number) | undefined;
  /** The names of the host's virtual switches, each once; default one. */
  readonly switches?: readonly string[] | undefined;
}

/** A VMMS that runs. */
export interface RunningVmms extends AsyncDisposable {
  /** `127.0.0.1:PORT`, for `TIDEMARK_FAKE_HYPERV`. */
  readonly address: string;
  readonly faults: FaultSwitches;
  /** How often each class was asked for and each method called. */
  readonly counts: Counts;
  /** What was made over the wire and is still there. */
  leftovers(): readonly Entry[];
  /** What others made and is still there. */
  foreign(): readonly Entry[];
  /** What was made and destroyed over the wire, in order. */
  history(): ReturnType<Ledger['history']>;
  /** Another product's recovery snapshot of a VM; its id. */
  foreignSnapshot(vmId: string): Promise<string>;
  /** Another product's reference point of a VM; its id. */
  foreignReferencePoint(vmId: string): Promise<string>;
  /** A snapshot that is only an entry in the tree; its id. */
  paperSnapshot(vmId: string, type: string, name: string): Promise<string>;
  /** A snapshot goes, without anybody asking over the wire. */
  removeSnapshot(id: string): Promise<void>;
  /** A reference point goes, without anybody asking over the wire. */
  loseReferencePoint(id: string): Promise<void>;
  /** Changes a VM's name, hardware and states as the host shows them. */
  describe(vmId: string, changes: Partial<VmNotes>): Promise<void>;
  /** Waits until no merge runs. */
  mergesSettled(): Promise<void>;
  /** VMMS restarts: jobs are gone, merges may go on. The next question fails with 0x800706BE. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a VMMS for the host directory `root`. */
export async function startVmms(root: string, options: VmmsOptions = {}): Promise<RunningVmms> {
  const now = options.now ?? Date.now;
  const faults = new FaultSwitches(() => vmms.merges.beginAll());
  const ledger = new Ledger();
  const directory = resolve(root);
  let vmms: Vmms = createVmms(new World(directory, options.switches), faults, ledger, now);
  const answers = new Answers(() => vmms, options.paths === 'wine' ? winePaths : samePaths);
  const stop = async (): Promise<void> => {
    await vmms.jobs.forget();
    try {
      await vmms.merges.stop();
    } finally {
      await vmms.provider[Symbol.asyncDispose]();
    }
  };
  const restart = async (): Promise<void> => {
    await stop();
    vmms = createVmms(new World(directory, options.switches), faults, ledger, now);
    faults.set({ rpcFailures: 1 });
  };
  const controlled = { vmms: () => vmms, faults, ledger, counts: answers.counts, restart };
  const server = lineServer((line) => answerLine(line, answers, controlled));
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await listening(server);
  vmms.merges.beginAll();
  const close = async (): Promise<void> => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await stop();
  };
  return {
    address: `127.0.0.1:${port}`,
    faults,
    counts: answers.counts,
    leftovers: () => ledger.leftovers(vmms.world),
    foreign: () => ledger.foreign(vmms.world),
    history: () => ledger.history(),
    foreignSnapshot: (vmId) => foreign.foreignSnapshot(vmms, vmId),
    foreignReferencePoint: (vmId) => foreign.foreignReferencePoint(vmms, vmId),
    paperSnapshot: (vmId, type, name) => foreign.paperSnapshot(vmms, vmId, type, name),
    removeSnapshot: (id) => foreign.foreignRemoval(vmms, id),
    loseReferencePoint: (id) => foreign.loseReferencePoint(vmms, id),
    describe: (vmId, changes) => foreign.describeVm(vmms, vmId, changes),
    mergesSettled: () => vmms.merges.settled(),
    restart,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function answerLine(line: string, answers: Answers, controlled: Parameters<typeof carryOut>[1]): Promise<string> {
  let asked: unknown;
  try {
    asked = JSON.parse(line);
  } catch {
    return JSON.stringify({
      error: { hresult: '0x80041008', nativeErrorCode: 'InvalidParameter', message: 'This is no JSON.' },
    });
  }
  const isControl = typeof asked === 'object' && asked !== null && 'op' in asked && asked.op === 'control';
  if (!isControl) return JSON.stringify(await answers.answer(asked));
  try {
    return JSON.stringify({ result: (await carryOut(asked, controlled)) ?? null });
  } catch (error) {
    return JSON.stringify({
      error: { hresult: '0x80041008', nativeErrorCode: 'InvalidParameter', message: String(error) },
    });
  }
}
