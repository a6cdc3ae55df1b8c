/** Checks of each VM. Only what is not as it should be is a finding of its own; a check that finds nothing says so once. */
import { oneLine } from '../../../base/one-line.ts';
import type { ReferencePointId, VmId } from '../../../protocol/ids.ts';
import { rctBlockers } from '../inventory/blockers.ts';
import type { HypervCheckpoint, HypervHost, HypervReferencePoint, HypervVm } from '../commands/index.ts';
import { vmName, vmState } from '../inventory/describe.ts';
import type { VmDisk } from '../inventory/describe.ts';
import { checkpointFile, operationText, virtualPaths, vssTrouble } from '../checkpoints/preflight.ts';
import { check } from './finding.ts';
import type { Check, Finding } from './finding.ts';
import type { VmPicture } from './picture.ts';

/** After so long a checkpoint belongs to no backup any more, milliseconds. */
const leftBehindMs = 24 * 3_600_000;
const ownPrefix = 'Tidemark ';
const merging = 32_772;
/** Configuration versions before this are known to work by word of mouth only. */
const safeVersion = 8;
const oldestVersion = 6.2;
/** `ReferencePointType` of those with change tracking. */
const logBased = 1;

/** What is known of one VM. */
interface Subject {
  readonly vm: HypervVm;
  readonly host: HypervHost;
  readonly disks: readonly VmDisk[];
  readonly checkpoints: readonly HypervCheckpoint[];
  readonly points: readonly HypervReferencePoint[];
  readonly picture: VmPicture;
  /** Reference points that the agent has written down as its own; undefined when its state cannot be read. */
  readonly own: ReadonlySet<ReferencePointId> | undefined;
  readonly mergeLocked: boolean;
  readonly vss: { readonly enabledState: number; readonly operationalStatus: readonly number[] } | null;
  /** Milliseconds since 1970. */
  readonly now: number;
}

interface VmCheck {
  readonly id: string;
  /** When no VM has it. */
  readonly fine: string;
  readonly look: (subject: Subject, found: Check) => Finding | undefined;
}

const state: VmCheck = {
  id: 'vm-state',
  fine: 'No VM is in a critical state.',
  look: ({ vm }, { problem, ok }) => {
    if (vm.healthState >= 20) {
      return problem(
        'The VM is in a critical state: its storage is full or lost.',
        'Free space on the volumes of its disks, or bring the storage back. Then resume the VM.',
      );
    }
    const operation = vm.operationalStatus[1] ?? 0;
    return operation === 0 ? undefined : ok(`Just now: ${operationText(operation)}.`);
  },
};

const eligible: VmCheck = {
  id: 'vm-change-tracking',
  fine: 'Change tracking can be used on every VM.',
  look: ({ vm, disks, host }, { warning, skipped }) => {
    const [reason, ...others] = rctBlockers(vm, disks, host);
    if (reason === undefined) return undefined;
    if (vm.replicationMode >= 2) return skipped(reason);
    const more = others.length === 0 ? '' : ` And ${others.length} more: ${others.join(' ')}`;
    return warning(
      `The VM cannot be backed up. ${oneLine(`${reason}${more}`, 1024)}`,
      'Take the reason away, or take the VM out of backup policies.',
    );
  },
};

const version: VmCheck = {
  id: 'vm-configuration-version',
  fine: 'No VM has a configuration version that is only just new enough.',
  look: ({ vm }, { warning }) => {
    const number = Number(vm.version);
    if (!(number >= oldestVersion && number < safeVersion)) return undefined;
    return warning(
      `The configuration version is ${vm.version}; change tracking is said to work from ${oldestVersion} on, and is certain from ${safeVersion}.0 on.`,
      'At a quiet time shut the VM down and upgrade it with Update-VMVersion. There is no way back.',
    );
  },
};

const ownCheckpoint: VmCheck = {
  id: 'vm-checkpoint-own',
  fine: 'No checkpoint of Tidemark was left behind.',
  look: ({ checkpoints, now }, { problem, ok }) => {
    const oldest = oldestOf(checkpoints.filter(({ name }) => name.startsWith(ownPrefix)));
    if (oldest === undefined) return undefined;
    const text = `${ageText(now - Date.parse(oldest.createdAt))} old`;
    if (now - Date.parse(oldest.createdAt) < leftBehindMs)
      return ok(`A checkpoint of Tidemark is ${text}: a backup may be running.`);
    return problem(
      `A recovery checkpoint of Tidemark is ${text}, and its disks grow.`,
      'Start the agent and run a backup of this VM with the daemon that made it: it removes the checkpoint first.',
    );
  },
};

const foreignCheckpoint: VmCheck = {
  id: 'vm-checkpoint-foreign',
  fine: 'No VM has a recovery checkpoint of another product.',
  look: ({ checkpoints, now }, { problem, warning }) => {
    const oldest = oldestOf(checkpoints.filter(({ name }) => !name.startsWith(ownPrefix)));
    if (oldest === undefined) return undefined;
    const age = now - Date.parse(oldest.createdAt);
    const sentence = `Another product's recovery checkpoint "${oneLine(oldest.name, 120)}" is ${ageText(age)} old, and until it goes Tidemark takes none.`;
    const remedy = 'Wait for the other backup, or let the product that made it remove it. Tidemark never does.';
    return age < leftBehindMs ? warning(sentence, remedy) : problem(sentence, remedy);
  },
};

const ownPoints: VmCheck = {
  id: 'vm-reference-points-own',
  fine: 'No VM has more than one reference point of Tidemark.',
  look: ({ points, own }, { warning }) => {
    const count = points.filter(({ id }) => own?.has(id) === true).length;
    if (count < 2) return undefined;
    return warning(
      `The VM has ${count} reference points of Tidemark. More than one can keep its disks from being merged.`,
      'Run a backup of this VM: it removes those that no restore point needs. When several daemons back it up, each has one.',
    );
  },
};

const foreignPoints: VmCheck = {
  id: 'vm-reference-points-foreign',
  fine: 'No VM has reference points of others.',
  look: ({ points, own }, { warning }) => {
    if (own === undefined) return undefined;
    const count = points.filter(({ id, type }) => type !== logBased && !own.has(id)).length;
    if (count === 0) return undefined;
    return warning(
      `The VM has ${count} reference ${count === 1 ? 'point' : 'points'} that this agent did not make.`,
      'Another product backs the VM up too, or it came from another host. Two products on one VM get in the way of each other: choose one. Tidemark never removes what is not its own.',
    );
  },
};

const mergeLock: VmCheck = {
  id: 'vm-merge-lock',
  fine: 'Disks of every VM may be merged.',
  look: ({ mergeLocked }, { warning }) =>
    mergeLocked
      ? warning(
          'Merging of disks is switched off for this VM, so files of checkpoints stay.',
          'The next backup of the VM switches it on. It was switched off by an export without disks, of whatever product.',
        )
      : undefined,
};

const unmerged: VmCheck = {
  id: 'vm-unmerged-disk',
  fine: 'No VM writes to a differencing disk without a checkpoint.',
  look: ({ vm }, { problem }) => {
    if (vm.snapshotTypes.length > 0 || vm.operationalStatus[1] === merging) return undefined;
    const leaves = virtualPaths(vm).filter((path) => checkpointFile.test(path));
    if (leaves.length === 0) return undefined;
    return problem(
      `The VM writes to ${oneLine(leaves.join(', '), 1024)}, but has no checkpoint to which that belongs.`,
      'Do not restart or move the VM and take no checkpoint of it before somebody has looked (TM2211 in the guide): it may come back with an old state of its disks. Look at the events 19070 to 19100 of Hyper-V-VMMS first.',
    );
  },
};

const chain: VmCheck = {
  id: 'vm-disk-chain',
  fine: 'The disk files of every VM are there, with all their parents.',
  look: ({ vm, picture }, { problem }) => {
    const broken = virtualPaths(vm).flatMap((path) => {
      const found = picture.chains.get(path);
      return found?.state === 'broken' ? [`${path}: ${found.reason}`] : [];
    });
    if (broken.length === 0) return undefined;
    return problem(
      `A disk of the VM cannot be read. ${oneLine(broken.join(' '), 1024)}`,
      'Delete and merge nothing. Look for the file and its parents on the host and in the settings of the VM; a missing one may be in a backup.',
    );
  },
};

const vss: VmCheck = {
  id: 'vm-vss',
  fine: 'The guest of every running VM can bring its data to rest.',
  look: ({ vm, vss: component }, { warning }) => {
    if (vmState(vm) !== 'running') return undefined;
    const trouble = vssTrouble(component);
    if (trouble === undefined) return undefined;
    return warning(
      `Application-consistent backups are not possible: ${trouble}.`,
      'Switch on the integration service "Backup (volume shadow copy)" of the VM and let its guest run the integration services. Otherwise backups are crash-consistent where the policy allows it.',
    );
  },
};

const checks: readonly VmCheck[] = [
  state,
  eligible,
  version,
  ownCheckpoint,
  foreignCheckpoint,
  ownPoints,
  foreignPoints,
  mergeLock,
  unmerged,
  chain,
  vss,
];

/** Everything about VMs. `own` are the reference points that the agent has written down; undefined when that cannot be read. */
export function vmFindings(
  host: HypervHost,
  picture: VmPicture,
  own: ReadonlySet<ReferencePointId> | undefined,
  now: number,
): readonly Finding[] {
  const checkpoints = Map.groupBy(picture.checkpoints, ({ vmId }) => vmId);
  const points = Map.groupBy(picture.referencePoints, ({ vmId }) => vmId);
  const locked = new Set<VmId>(picture.health.mergeLocked);
  const components = new Map(picture.health.vss.map((component) => [component.vmId, component]));
  const subjects = picture.list.map((vm): Subject => ({
    vm,
    host,
    disks: picture.disks.get(vm.id) ?? [],
    checkpoints: checkpoints.get(vm.id) ?? [],
    points: points.get(vm.id) ?? [],
    picture,
    own,
    mergeLocked: locked.has(vm.id),
    vss: components.get(vm.id) ?? null,
    now,
  }));
  return [unreadable(picture), ...checks.map((one) => findingsOf(one, subjects, own))].flat();
}

function unreadable({ unreadable: vms }: VmPicture): readonly Finding[] {
  if (vms.length === 0) return [check('vm', 'vm-settings').ok('The settings of every VM can be read.')];
  return vms.map(({ id, name, message }) =>
    check('vm', 'vm-settings', { id, name: vmName({ id, name }) }).problem(
      `Hyper-V cannot read the settings of the VM: ${oneLine(message, 512)}`,
      'Look at the VM in Hyper-V Manager, and at the folder of its configuration.',
    ),
  );
}

function findingsOf(one: VmCheck, subjects: readonly Subject[], own: Subject['own']): readonly Finding[] {
  const general = check('vm', one.id);
  if ((one === ownPoints || one === foreignPoints) && own === undefined) {
    const which = one === ownPoints ? 'are' : 'are not';
    return [
      general.skipped(`Which reference points ${which} those of the agent cannot be told without its state folder.`),
    ];
  }
  const found = subjects.flatMap((subject) => {
    const { id } = subject.vm;
    return one.look(subject, check('vm', one.id, { id, name: vmName(subject.vm) })) ?? [];
  });
  return found.length === 0 ? [general.ok(one.fine)] : found;
}

function oldestOf(checkpoints: readonly HypervCheckpoint[]): HypervCheckpoint | undefined {
  return checkpoints.toSorted((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt))[0];
}

/** `3 days`, `5 hours`, `2 minutes`. */
export function ageText(milliseconds: number): string {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  if (minutes < 120) return `${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.floor(hours / 24)} days`;
}
