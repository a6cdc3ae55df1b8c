/** `tidemark agent self-test`: finds out on a lab host what no documentation says, on a VM that it makes and removes. It touches nothing else. */
import { copyFile, constants, mkdir } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';

import { acquireFileLock } from '../../../base/file-lock.ts';
import type { FileLock } from '../../../base/file-lock.ts';
import type { Logger } from '../../../base/log.ts';
import { errorCodes, TidemarkError } from '../../../protocol/errors.ts';
import { ownerId } from '../../../protocol/ids.ts';
import { createVhdx, readVhdxInfo } from '../../../vhdx/index.ts';
import { uncancelled } from '../calls/calls.ts';
import type { HypervCalls } from '../calls/calls.ts';
import { getHealth, getHost } from '../commands/index.ts';
import type { HypervHost } from '../commands/index.ts';
import { createCalls } from '../calls/powershell-calls.ts';
import { createPowerShell } from '../powershell/index.ts';
import type { PowerShell } from '../powershell/index.ts';
import { createHyperVProvider } from '../provider.ts';
import type { HyperVProviderOptions } from '../provider.ts';
import { errorText } from './host.ts';
import type { Answer, Lab, Step } from './lab.ts';
import { newRecord, openSelfTestRecords } from './record.ts';
import type { SelfTestRecord } from './record.ts';
import { scrubbed } from './report.ts';
import type { SelfTestReport } from './report.ts';
import { itemsOf, runSteps } from './run.ts';
import { makeScratch, removeScratch } from './scratch-vm.ts';

export type { SelfTestReport } from './report.ts';

const diskBytes = 64 * 1024 * 1024;
const guestMs = 60_000;
/** The folder below that of the host's VMs. */
const ownFolder = 'tidemark-self-test';

/** What a self-test may do. */
export interface SelfTestOptions {
  /** Where everything is written; default: a folder of its own where Hyper-V keeps VMs. */
  readonly folder?: string | undefined;
  /** A VHDX from which a guest starts that writes by itself; it is copied. */
  readonly image?: string | undefined;
  /** Milliseconds that the guest gets before each backup; default a minute. */
  readonly guestMs?: number | undefined;
  /** Leaves the VM where it is, until it is cleaned up. */
  readonly keep?: boolean | undefined;
  /** Restarts the service of Hyper-V; undefined does not. */
  readonly restartVmms?: (() => Promise<void>) | undefined;
  readonly program: string;
  readonly say: (text: string) => void;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Default: one of its own. */
  readonly powershell?: PowerShell | undefined;
  /** How the provider waits; default: as for backups. */
  readonly provider?: Partial<HyperVProviderOptions> | undefined;
  /** What is to be found out; default: all of it. */
  readonly steps?: readonly Step[] | undefined;
}

/** What is wanted before anything is made: where it would be. */
export interface SelfTestPlan {
  readonly folder: string;
  readonly host: HypervHost;
}

interface Site extends SelfTestPlan {
  readonly calls: HypervCalls;
  readonly powershell: PowerShell;
}

/** Says where a self-test would work. Throws `TM2201` where Hyper-V does not show itself. */
export async function planSelfTest(options: SelfTestOptions): Promise<SelfTestPlan> {
  return withSite(options, async ({ folder, host }) => ({ folder, host }));
}

/** Runs the self-test. Throws when not even the scratch VM can be made; what was made by then is removed. When stopped it gives what it has. */
export async function runSelfTest(options: SelfTestOptions): Promise<SelfTestReport> {
  return withSite(options, (site) => locked(site, () => test(options, site)));
}

/** Removes what earlier self-tests left. Gives the names of VMs that are gone, and what could not be removed. */
export async function cleanUpSelfTests(
  options: SelfTestOptions,
): Promise<{ readonly removed: readonly string[]; readonly left: readonly string[] }> {
  return withSite(options, (site) =>
    locked(site, async () => {
      const records = await openSelfTestRecords(site.folder, options.log);
      const removed: string[] = [];
      const left: string[] = [];
      for (const record of records.list()) {
        const still = await remove(site, options, record);
        left.push(...still);
        if (still.length > 0) continue;
        await records.delete(record.key);
        removed.push(record.name);
      }
      return { removed, left };
    }),
  );
}

async function withSite<T>(options: SelfTestOptions, work: (site: Site) => Promise<T>): Promise<T> {
  const { log, signal } = options;
  const powershell = options.powershell ?? createPowerShell({ log, maxSessions: 2 });
  try {
    const calls = createCalls(powershell, { log, lifetime: uncancelled, jobs: options.provider?.jobs });
    const host = await calls.invoke(getHost, {}, signal);
    if (!host.hypervAvailable) {
      throw new TidemarkError(errorCodes.hypervUnavailable, 'Hyper-V shows nothing to this account.', {
        hint: 'Run this in an elevated prompt, on a host with the Hyper-V role.',
      });
    }
    const folder =
      options.folder ?? (host.defaultVmFolder === null ? undefined : join(host.defaultVmFolder, ownFolder));
    if (folder === undefined) {
      throw new TidemarkError(errorCodes.invalidUsage, 'Hyper-V does not say where it keeps VMs.', {
        hint: 'Give --folder DIR.',
      });
    }
    return await work({ calls, powershell, host, folder: resolve(folder) });
  } finally {
    if (options.powershell === undefined) await powershell[Symbol.asyncDispose]();
  }
}

/** One self-test at a time in a folder: cleaning up must not take away the VM of one that runs. */
async function locked<T>({ folder }: Site, work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true });
  let lock: FileLock | undefined;
  try {
    lock = await acquireFileLock(join(folder, 'self-test.lock'), { timeoutMs: 0 });
    return await work();
  } finally {
    lock?.release();
  }
}

async function test(options: SelfTestOptions, site: Site): Promise<SelfTestReport> {
  const { log, keep = false, program } = options;
  const startedAt = new Date().toISOString();
  const records = await openSelfTestRecords(site.folder, log);
  const record = await records.put(newRecord(site.folder));
  let answers: readonly Answer[] = [];
  let stopped: string | undefined = 'The self-test did not get so far.';
  let left: readonly string[] = [];
  try {
    ({ answers, stopped } = await inLab(options, site, record));
  } finally {
    if (keep) await records.put({ ...record, phase: 'kept' });
    else left = await remove(site, options, record);
    if (!keep && left.length === 0) await records.delete(record.key);
  }
  const { build, osName, powershellVersion } = site.host;
  const report: SelfTestReport = {
    version: 1,
    program,
    startedAt,
    endedAt: new Date().toISOString(),
    host: { build, osName, powershellVersion, updateRevision: await revision(site) },
    vm: { name: record.name, guest: options.image !== undefined, kept: keep },
    complete: stopped === undefined,
    items: [...itemsOf(answers, stopped ?? 'No step has an answer to it.')],
    cleanUp: { done: !keep && left.length === 0, left: [...left] },
  };
  return scrubbed(report, [record.folder, site.folder]);
}

async function revision({ calls }: Site): Promise<number | null> {
  return (await calls.invoke(getHealth, { Path: [] }, uncancelled)).updateRevision;
}

async function remove({ calls }: Site, { log }: SelfTestOptions, record: SelfTestRecord): Promise<readonly string[]> {
  const left: string[] = [];
  try {
    await removeScratch({ calls, log, left, signal: uncancelled }, record.name, record.folder);
  } catch (error) {
    left.push(`${record.name}: ${errorText(error)}`);
  }
  return left;
}

/** Makes the VM and runs the steps with it. */
async function inLab(
  options: SelfTestOptions,
  { calls, powershell, host }: Site,
  record: SelfTestRecord,
): Promise<Awaited<ReturnType<typeof runSteps>>> {
  const { log, signal, say, image, restartVmms } = options;
  const { name, folder } = record;
  await mkdir(folder, { recursive: true });
  const disk = join(folder, 'data.vhdx');
  await createVhdx(disk, { sizeBytes: diskBytes });
  const { diskId } = await readVhdxInfo(disk);
  const disks = image === undefined ? [disk] : [await copyImage(image, folder), disk];
  say(`Making the VM ${name}`);
  const vmId = await makeScratch(calls, { name, folder, disks, version: '' }, signal);
  const stateFolder = join(folder, 'state');
  await using provider = createHyperVProvider({ ...options.provider, stateFolder, powershell, log });
  await provider.recover(signal);
  const lab: Lab = {
    calls,
    provider,
    host,
    log,
    signal,
    vmId,
    name,
    folder,
    owner: ownerId(randomBytes(16).toString('hex'), 'owner'),
    disk: { location: disks.length - 1, id: diskId, sizeBytes: diskBytes },
    guest: image !== undefined,
    guestMs: options.guestMs ?? guestMs,
    restartVmms,
    say,
  };
  // Awaited here, because the provider ends with this function.
  return await runSteps(lab, options.steps);
}

/** Throws `TM1002` for an image that has a parent: its guest would write into what others may use. */
async function copyImage(image: string, folder: string): Promise<string> {
  const { type } = await readVhdxInfo(image);
  if (type === 'differencing') {
    throw new TidemarkError(errorCodes.invalidUsage, 'The image is a differencing disk.', {
      hint: 'Give a VHDX that has no parent.',
    });
  }
  const copy = join(folder, 'boot.vhdx');
  await copyFile(image, copy, constants.COPYFILE_FICLONE);
  return copy;
}
