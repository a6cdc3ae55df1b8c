/** The simulated host that the daemon can set up by itself, to try everything without Hyper-V. */
import * as id from '../ids.ts';
import { request } from '../message.ts';
import * as model from '../model.ts';
import { array, boolean, integer, object, oneOf, optional, string } from '../parse.ts';
import type { Parsed } from '../parse.ts';
import { hostEntry } from './hosts.ts';
import { repositoryEntry } from './repositories.ts';

const nothing = object({});

/** Names under which the simulator's host and repository are known. */
export const simulatorNames = { host: 'simulated', repository: 'demo' } as const;

/**
 * Makes a simulated host with a few VMs below `DATA/simulator`, starts its agent, and adds it as host `simulated` with a repository
 * `demo`. What is there already stays as it is. The agent starts again with the daemon, and when it dies.
 */
export const startSimulator = request(
  'tidemark/simulator/start',
  nothing,
  object({
    host: hostEntry,
    repository: repositoryEntry,
    vms: array(model.vmInfo, 64),
    /** Whether it was made by this request. */
    created: boolean,
  }),
);

export const simulatorStatus = object({
  /** `stopped`: it is there, and its agent does not run (it is being started, or failed to). */
  state: oneOf('absent', 'stopped', 'running'),
  error: optional(model.errorReport),
});
export type SimulatorStatus = Parsed<typeof simulatorStatus>;
export const getSimulatorStatus = request('tidemark/simulator/status', nothing, simulatorStatus);

/** Lets the guest of a simulated VM write to its disk, so that an incremental has something to do. `TM2001` while the agent does not run. */
export const simulatorGuestWrite = request(
  'tidemark/simulator/guestWrite',
  object({
    /** Name or id; the one with a file system when absent. */
    vm: optional(string({ maxLength: 256 })),
  }),
  object({
    vm: id.vmId,
    vmName: string({ maxLength: 256 }),
    disk: string({ maxLength: 128 }),
    writtenBytes: integer(),
    /** What the guest did, for people. */
    text: string({ maxLength: 1024 }),
  }),
);

/** Ends the agent and removes host, repository and everything below `DATA/simulator`. With active runs `TM5005`, unless `cancelRuns` is set: then they are cancelled and waited for. */
export const stopSimulator = request('tidemark/simulator/stop', object({ cancelRuns: boolean }), nothing);
