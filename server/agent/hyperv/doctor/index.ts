/** `tidemark agent doctor`: what is wrong on this host, and what to do. Everything is looked at, and nothing is changed. */
import type { Logger } from '../../../base/log.ts';
import { throwIfAborted } from '../../../protocol/errors.ts';
import type { ReferencePointId } from '../../../protocol/ids.ts';
import type { AgentConfig } from '../../set-up/config-file.ts';
import type { FreeSpaceLimits } from '../core.ts';
import { createCalls } from '../calls/powershell-calls.ts';
import { createPowerShell } from '../powershell/index.ts';
import type { PowerShell } from '../powershell/index.ts';
import { agentConfig, ownFindings, rightsFindings, secretFiles } from './agent-checks.ts';
import { readAgentFolder } from './agent-folder.ts';
import type { AgentFolder } from './agent-folder.ts';
import { check, countVms } from './finding.ts';
import type { Finding, VmCounts } from './finding.ts';
import { hostFindings } from './host-checks.ts';
import { hostPicture, refusalOf } from './picture.ts';
import type { HostPicture } from './picture.ts';
import { recordFindings } from './records-checks.ts';
import { vmFindings } from './vm-checks.ts';
import { volumeFindings, volumesOf } from './volumes.ts';

export type { Finding, FindingState, VmCounts } from './finding.ts';

/** What is to be examined. */
export interface DoctorOptions {
  /** The configuration file of the agent; undefined when none is known: its own checks are skipped. */
  readonly configFile: string | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Default: one of its own. */
  readonly powershell?: PowerShell | undefined;
  readonly freeSpace?: Omit<FreeSpaceLimits, 'lowBytes'> | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
}

/** What the doctor says. `version` changes when a field changes its meaning or goes. */
export interface DoctorReport {
  readonly version: 1;
  readonly examinedAt: string;
  readonly host: { readonly name: string; readonly build: number; readonly osName: string } | null;
  readonly vms: VmCounts;
  readonly counts: {
    readonly problems: number;
    readonly warnings: number;
    readonly skipped: number;
    readonly ok: number;
  };
  readonly findings: readonly Finding[];
}

/** Examines the host. Throws only when aborted. */
export async function examine(options: DoctorOptions): Promise<DoctorReport> {
  const { configFile, log, signal, now = Date.now } = options;
  const read = configFile === undefined ? undefined : await agentConfig(configFile);
  const config = read?.config;
  const secrets = configFile === undefined || config === undefined ? [] : secretFiles(configFile, config);
  const findings: Finding[] = [];
  let picture: HostPicture | undefined;
  if (config?.provider.kind === 'simulated') {
    findings.push(check('host', 'hyperv').skipped('The agent serves a simulated host, so Hyper-V was not looked at.'));
  } else {
    const own = await ownReferencePoints(config);
    const looked = await lookAtHost(options, secrets, own, now());
    picture = looked.picture;
    findings.push(...looked.findings);
  }
  if (read === undefined) {
    findings.push(
      check('agent', 'agent-config').skipped(
        'No configuration of an agent was found here. Give --config FILE to look at one.',
      ),
    );
  } else findings.push(read.finding);
  if (config !== undefined) {
    const rights = new Map(picture?.vms?.health.rights.map(({ path, sddl }) => [path, sddl]));
    const own = await ownFindings(config, now());
    findings.push(...(await rightsFindings(secrets, rights)), ...own);
    const running = own.some(({ id, state }) => id === 'agent-port' && state === 'ok');
    findings.push(...(await stateFindings(config, picture, running)));
  }
  throwIfAborted(signal);
  log.log('info', `examined the host: ${findings.length} findings`);
  return report(findings, picture, now());
}

async function lookAtHost(
  options: DoctorOptions,
  secrets: readonly string[],
  own: ReadonlySet<ReferencePointId> | undefined,
  now: number,
): Promise<{ readonly picture: HostPicture | undefined; readonly findings: readonly Finding[] }> {
  const { log, signal, freeSpace } = options;
  const powershell = options.powershell ?? createPowerShell({ log, maxSessions: 1 });
  try {
    const calls = createCalls(powershell, { log, lifetime: signal });
    const picture = await hostPicture(calls, secrets, signal);
    const { host, vms } = picture;
    const findings = [...hostFindings(picture)];
    if (vms === undefined) findings.push(check('vm', 'vms').skipped('VMs cannot be looked at without Hyper-V.'));
    else {
      findings.push(...volumeFindings(await volumesOf(vms.list, signal), freeSpace));
      findings.push(...vmFindings(host, vms, own, now));
    }
    return { picture, findings };
  } catch (error) {
    const { sentence, remedy } = refusalOf(error, signal);
    const findings = [
      check('host', 'hyperv').problem(sentence, remedy),
      check('vm', 'vms').skipped('VMs cannot be looked at before the problem above is solved.'),
    ];
    return { picture: undefined, findings };
  } finally {
    if (options.powershell === undefined) await powershell[Symbol.asyncDispose]();
  }
}

/** The state folder; undefined when it cannot be read, which is a finding of its own. */
async function folderOf(config: AgentConfig | undefined): Promise<AgentFolder | undefined> {
  if (config?.provider.kind !== 'hyperv') return undefined;
  try {
    return await readAgentFolder(config.provider.stateDirectory);
  } catch {
    // `agent-state-folder` says what is wrong with it.
    return undefined;
  }
}

async function ownReferencePoints(config: AgentConfig | undefined): Promise<ReadonlySet<ReferencePointId> | undefined> {
  const folder = await folderOf(config);
  return folder && new Set(folder.referencePoints.map(({ point }) => point.id));
}

async function stateFindings(
  config: AgentConfig,
  picture: HostPicture | undefined,
  running: boolean,
): Promise<readonly Finding[]> {
  if (config.provider.kind !== 'hyperv') return [];
  const folder = await folderOf(config);
  if (folder === undefined)
    return [check('agent', 'agent-records').skipped('The records of the agent cannot be read.')];
  return recordFindings(folder, picture?.vms, running);
}

function report(findings: readonly Finding[], picture: HostPicture | undefined, now: number): DoctorReport {
  const of = (state: Finding['state']): number => findings.filter((finding) => finding.state === state).length;
  const { vms } = picture ?? {};
  return {
    version: 1,
    examinedAt: new Date(now).toISOString(),
    host: picture === undefined ? null : pick(picture),
    vms: countVms((vms?.list.length ?? 0) + (vms?.unreadable.length ?? 0), findings),
    counts: { problems: of('problem'), warnings: of('warning'), skipped: of('skipped'), ok: of('ok') },
    findings,
  };
}

function pick({ host: { name, build, osName } }: HostPicture): DoctorReport['host'] {
  return { name, build, osName };
}
