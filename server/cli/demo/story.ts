/** The demo itself: a VM is backed up three times, and what is restored is compared with what was there. */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { formatBytes } from '../../base/format.ts';
import { readPasswordFile } from '../../base/files.ts';
import * as daemon from '../../protocol/daemon.ts';
import type { RunOutcome, RunRequest } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { RestorePointInfo } from '../../protocol/model.ts';
import type { CliContext } from '../context.ts';
import { runToEnd, silentView } from '../follow.ts';
import { firstDifference } from './compare.ts';
import { FatVolume } from './fat-volume.ts';
import type { DemoFolder } from './folder.ts';
import { demoDiskBytes, demoNames, notePath } from './guest.ts';
import type { DemoGuest } from './guest.ts';
import type { Narrator, StepResult } from './narrator.ts';
import type { DemoProcesses } from './processes.ts';
import { FileDevice } from './sector-device.ts';

/** A restore point of the demo, and what came of restoring it. */
export interface DemoRestorePoint {
  readonly id: string;
  readonly type: 'full' | 'incremental';
  readonly readBytes: number;
  readonly storedBytes: number;
  /** Always true: a difference ends the demo with `TM6004`. */
  readonly identical: true;
  /** Files in the restored file system. */
  readonly files: number;
  /** The note that the guest had left for this moment, read out of the restored disk. */
  readonly note: string;
}

interface Backup {
  readonly point: RestorePointInfo;
  /** A raw copy of the disk as it was when the backup was taken. */
  readonly moment: string;
  /** Where its disk is restored to. */
  readonly restored: string;
}

type Outcome<K extends RunOutcome['kind']> = Extract<RunOutcome, { readonly kind: K }>;

/** Everything that the steps need. */
export interface Stage {
  readonly context: CliContext;
  readonly folder: DemoFolder;
  readonly narrator: Narrator;
  readonly quiet: boolean;
}

/** The steps that come after host, agent and daemon are there. Throws what goes wrong, `TM6004` when a restored byte differs. */
export class Story {
  readonly #stage: Stage;
  readonly #guest: DemoGuest;
  readonly #processes: DemoProcesses;
  readonly #backups: Backup[] = [];

  constructor(stage: Stage, guest: DemoGuest, processes: DemoProcesses) {
    this.#stage = stage;
    this.#guest = guest;
    this.#processes = processes;
  }

  /** Makes host and repository known to the daemon. */
  async introduce(): Promise<void> {
    const { folder, context } = this.#stage;
    const { client, agentUrl } = this.#processes;
    const { signal } = context;
    const password = await readPasswordFile(folder.agentPassword);
    await client.request(
      daemon.addHost,
      { name: demoNames.host, url: agentUrl, password, threads: 2, replace: false },
      { signal },
    );
    await client.request(
      daemon.initRepository,
      {
        name: demoNames.repository,
        location: folder.repository,
        password: await readPasswordFile(folder.repositoryPassword),
        attach: false,
      },
      { signal },
    );
  }

  /** Backs the VM up and keeps a copy of its disk for the comparison. */
  async backup(type: 'full' | 'incremental', explain: (figures: string) => string): Promise<StepResult> {
    const { outcome, milliseconds } = await this.#run('backup', {
      kind: 'backup',
      host: demoNames.host,
      vm: demoNames.vm,
      repository: demoNames.repository,
      type,
      consistency: 'application-or-crash',
      excludeDisks: [],
    });
    const { restorePoint } = outcome;
    const name = `${this.#backups.length + 1}.raw`;
    const [moment, restored] = [join(this.#stage.folder.moments, name), join(this.#stage.folder.restored, name)];
    await this.#guest.copyDisk(demoNames.vm, moment);
    this.#backups.push({ point: restorePoint, moment, restored });
    const movedBytes = sum(restorePoint, 'readBytes');
    const storedBytes = sum(restorePoint, 'storedBytes');
    const figures = `read ${formatBytes(movedBytes)} of ${formatBytes(demoDiskBytes)} and stored ${formatBytes(storedBytes)}`;
    return { text: explain(figures), movedBytes, storedBytes, milliseconds };
  }

  /** Restores every restore point to a raw file. */
  async restoreAll(): Promise<StepResult> {
    let movedBytes = 0;
    for (const { point, restored } of this.#backups) {
      const { outcome } = await this.#run('restore-disk', {
        kind: 'restore-disk',
        restorePoint: point.id,
        disk: demoNames.disk,
        target: restored,
        format: 'raw',
        overwrite: false,
      });
      movedBytes += outcome.dataBytes;
    }
    return {
      text: `Each of the ${this.#backups.length} became a disk file of its own; none needs another one.`,
      movedBytes,
    };
  }

  /** Compares each restored disk with the disk of its moment, and reads a file out of it. */
  async compareAll(): Promise<StepResult & { readonly points: readonly DemoRestorePoint[] }> {
    const points: DemoRestorePoint[] = [];
    for (const { point, moment, restored } of this.#backups) {
      await this.#compare(restored, moment, `restore point ${point.id}`);
      points.push({
        id: point.id,
        type: point.type,
        readBytes: sum(point, 'readBytes'),
        storedBytes: sum(point, 'storedBytes'),
        identical: true,
        ...(await look(restored)),
      });
      await rm(restored);
    }
    const text =
      'Every byte is the same as on the disk at the moment of the backup. The file systems in the restored disks:';
    const details = points.map(
      (point) =>
        `  ${point.type.padEnd('incremental'.length)}  ${point.files} files, ${notePath.slice(1)}: "${point.note}"`,
    );
    return { text, details, movedBytes: points.length * demoDiskBytes, points };
  }

  /** Restores the newest restore point as a second VM on the host, and compares its disk. */
  async restoreVm(): Promise<StepResult> {
    const newest = this.#backups.at(-1);
    if (newest === undefined) throw new RangeError('There is no backup yet.');
    const name = `${demoNames.vm}-restored`;
    const { milliseconds } = await this.#run('restore-vm', {
      kind: 'restore-vm',
      restorePoint: newest.point.id,
      host: demoNames.host,
      name,
      connectNetwork: false,
    });
    const copy = join(this.#stage.folder.restored, `${name}.raw`);
    await this.#guest.copyDisk(name, copy);
    await this.#compare(copy, newest.moment, `the restored VM ${name}`);
    await rm(copy);
    const text = `The newest restore point is a second VM on the host now, "${name}": off, without network, with a VHDX disk that is the same byte for byte.`;
    return { text, movedBytes: sum(newest.point, 'dataBytes'), milliseconds };
  }

  /** Lets the repository read back and check all it holds. */
  async verify(): Promise<StepResult> {
    const { outcome } = await this.#run('verify', {
      kind: 'verify',
      repository: demoNames.repository,
      readData: true,
    });
    const { readBytes, restorePoints, problems } = outcome;
    const [problem] = problems;
    if (problem !== undefined) {
      throw new TidemarkError(errorCodes.repositoryDamaged, `${problem.what}: ${problem.error.message}`);
    }
    const text = `Every byte of the repository was read and checked: all ${restorePoints} restore points are sound.`;
    return { text, movedBytes: readBytes };
  }

  async #run<K extends RunRequest['kind']>(
    kind: K,
    request: Extract<RunRequest, { readonly kind: K }>,
  ): Promise<{ readonly outcome: Outcome<K>; readonly milliseconds: number }> {
    const { context, quiet } = this.#stage;
    const view = quiet || !context.terminal.interactive ? silentView : undefined;
    const { outcome, startedAt = '', finishedAt = '' } = await runToEnd(context, this.#processes.client, request, view);
    if (outcome === undefined || !isKind(outcome, kind)) throw new TypeError(`A ${kind} run ended without its result.`);
    return { outcome, milliseconds: Date.parse(finishedAt) - Date.parse(startedAt) };
  }

  async #compare(restored: string, moment: string, what: string): Promise<void> {
    const offset = await firstDifference(restored, moment, this.#stage.context.signal);
    if (offset === undefined) return;
    throw new TidemarkError(
      errorCodes.restoreFailed,
      `The disk of ${what} differs from the original at byte ${offset}.`,
      {
        hint: 'This is a defect in Tidemark. Run the demo with --keep --dir DIR to look into the files.',
      },
    );
  }
}

function isKind<K extends RunOutcome['kind']>(outcome: RunOutcome, kind: K): outcome is Outcome<K> {
  return outcome.kind === kind;
}

function sum(point: RestorePointInfo, figure: 'readBytes' | 'storedBytes' | 'dataBytes'): number {
  return point.disks.reduce((total, disk) => total + disk.stats[figure], 0);
}

/** Looks into the file system of a raw disk. */
async function look(file: string): Promise<{ readonly files: number; readonly note: string }> {
  await using handle = await open(file, 'r');
  const { size } = await handle.stat();
  using volume = await FatVolume.mount(new FileDevice(handle.fd, size));
  return { files: volume.listFiles().length, note: volume.readFile(notePath).toString('utf8').trim() };
}
