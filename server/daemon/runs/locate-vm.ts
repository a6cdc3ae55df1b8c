/** Step 1 of a backup: find the VM, by GUID or name, on whichever host holds it now. */
import * as agent from '../../protocol/agent.ts';
import type { BackupRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { VmInfo } from '../../protocol/model.ts';
import type { AgentConnection } from '../agent-client/connection.ts';
import type { RunContext, RunHost, RunServices } from './context.ts';

/** A VM and the connection to the host that holds it. */
export interface LocatedVm {
  readonly host: RunHost;
  readonly connection: AgentConnection;
  readonly vm: VmInfo;
}

type Search = Pick<RunContext, 'signal' | 'log'>;

/**
 * Asks the named host first. When it has no such VM or does not answer, the others are asked for the GUIDs that earlier backups knew under this
 * name (`knownIds`): a VM that migrated is found where it is now, and a stranger of the same name is not taken for it.
 * Without a named host, names count too. Throws `TM2101` when no host has it, `TM2104` when more than one VM answers.
 */
export async function locateVm(
  request: Pick<BackupRequest, 'host' | 'vm'>,
  knownIds: () => Promise<ReadonlySet<string>>,
  context: Search,
  services: Pick<RunServices, 'hosts'>,
): Promise<LocatedVm> {
  const wanted = request.vm.toUpperCase();
  const byIdOrName = (vm: VmInfo): boolean => vm.id === wanted || vm.name.toUpperCase() === wanted;
  if (request.host === undefined) return searchAll(request, services.hosts.list(), byIdOrName, context);

  const named = services.hosts.get(request.host);
  let unanswered: { readonly error: unknown } | undefined;
  try {
    const found = await searchHost(named, request.vm, byIdOrName, context);
    if (found !== undefined) return found;
  } catch (error) {
    if (context.signal.aborted || TidemarkError.is(error, errorCodes.vmBusy)) throw error;
    unanswered = { error };
  }
  const known = await knownIds();
  const others = services.hosts.list().filter((host) => host.name !== named.name);
  try {
    const moved = await searchAll(request, others, (vm) => vm.id === wanted || known.has(vm.id), context);
    context.log('info', `The VM is on ${moved.host.name} now, no longer on ${named.name}.`);
    return moved;
  } catch (error) {
    // That the VM is nowhere else says less than why its host did not answer.
    if (unanswered !== undefined && TidemarkError.is(error, errorCodes.vmNotFound)) throw unanswered.error;
    throw error;
  }
}

async function searchAll(
  request: Pick<BackupRequest, 'host' | 'vm'>,
  hosts: readonly RunHost[],
  matches: (vm: VmInfo) => boolean,
  context: Search,
): Promise<LocatedVm> {
  const found: LocatedVm[] = [];
  const silent: string[] = [];
  for (const host of hosts) {
    try {
      const located = await searchHost(host, request.vm, matches, context);
      if (located !== undefined) found.push(located);
    } catch (error) {
      if (context.signal.aborted || TidemarkError.is(error, errorCodes.vmBusy)) throw error;
      silent.push(host.name);
      context.log('warning', `Host ${host.name} was not searched: ${TidemarkError.from(error).message}`, error);
    }
  }
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined && second !== undefined) {
    throw ambiguous(request.vm, `${first.host.name} and ${second.host.name}`);
  }
  const where = request.host === undefined ? 'on any host' : `on ${request.host}, nor, by its GUID, on another host`;
  const unanswered = silent.length === 0 ? '' : ` No answer came from ${silent.join(', ')}.`;
  throw new TidemarkError(errorCodes.vmNotFound, `There is no VM named ${request.vm} ${where}.${unanswered}`, {
    hint: '`tidemark vm list` shows the VMs of all hosts.',
  });
}

async function searchHost(
  host: RunHost,
  asked: string,
  matches: (vm: VmInfo) => boolean,
  context: Search,
): Promise<LocatedVm | undefined> {
  const connection = await host.connect(context.signal);
  const { vms } = await connection.request(agent.listVms, {}, { signal: context.signal });
  const found = vms.filter(matches);
  if (found.length > 1) throw ambiguous(asked, host.name);
  const [vm] = found;
  return vm === undefined ? undefined : { host, connection, vm };
}

function ambiguous(name: string, where: string): TidemarkError {
  return new TidemarkError(errorCodes.vmBusy, `More than one VM answers to ${name} (${where}).`, {
    hint: 'Names are labels only: name the host, or the VM by its GUID (`tidemark vm list --json`).',
  });
}
