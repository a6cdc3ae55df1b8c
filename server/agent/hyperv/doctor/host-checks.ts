/** Checks of Windows, PowerShell and Hyper-V themselves. */
import type { HypervHost } from '../commands/index.ts';
import { check } from './finding.ts';
import type { Finding } from './finding.ts';
import type { HostPicture } from './picture.ts';

/** Server 2016: the first with change tracking. */
const oldestBuild = 14_393;
/** Milliseconds of an answer that a host in good health needs far less of. */
const slowAnswerMs = 5_000;
const slowStartMs = 30_000;
/** Server 2022, and its update of October 2025 (KB5070884) after which disks with change tracking are no longer slow (Microsoft's MPIO guidance). */
const server2022 = 20_348;
const fixed2022 = 4_297;
const server2019 = 17_763;
const oldestPowerShell = [5, 1] as const;

/** Everything about the host, VMs apart. */
export function hostFindings({ host, startMs, answerMs, vms }: HostPicture): readonly Finding[] {
  return [
    windowsBuild(host),
    buildFeatures(host),
    powerShellVersion(host),
    check('host', 'powershell-session').ok(
      'PowerShell starts, and the module Tidemark.HyperV loads: no execution policy is in the way.',
    ),
    powerShellSpeed(startMs),
    hypervRights(host),
    ...(vms === undefined ? [] : [hypervAnswers(answerMs, host), slowTracking(host, vms.health.updateRevision)]),
    ...(vms === undefined ? [] : [logonRight(vms.health.logonRefusal)]),
  ];
}

function windowsBuild({ build, osName }: HypervHost): Finding {
  const { ok, problem } = check('host', 'windows-build');
  if (build >= oldestBuild) return ok(`${osName}, build ${build}, has change tracking for virtual disks (RCT).`);
  return problem(
    `${osName}, build ${build}, has no change tracking for virtual disks.`,
    `Move the VMs to Windows Server 2016 (build ${oldestBuild}) or later.`,
  );
}

function buildFeatures({
  build,
  hypervAvailable,
  hasGuestBackupType,
  hasExcludedVirtualHardDisks,
}: HypervHost): Finding {
  const { ok, skipped } = check('host', 'windows-features');
  if (!hypervAvailable)
    return skipped('What this build of Hyper-V lacks is not known, as Hyper-V does not show itself.');
  const lacks: string[] = [];
  if (!hasGuestBackupType) lacks.push('the agent cannot tell guests that its backups are copies');
  if (!hasExcludedVirtualHardDisks) lacks.push('an export always has all disks of a VM');
  if (lacks.length === 0) return ok(`Build ${build} has all that the agent uses.`);
  return ok(`Build ${build} is older than some things that the agent uses: ${lacks.join(', and ')}. Backups work.`);
}

function powerShellVersion({ powershellVersion }: HypervHost): Finding {
  const { ok, problem } = check('host', 'powershell-version');
  const [major = 0, minor = 0] = powershellVersion.split('.').map(Number);
  const [oldMajor, oldMinor] = oldestPowerShell;
  if (major > oldMajor || (major === oldMajor && minor >= oldMinor)) return ok(`PowerShell is ${powershellVersion}.`);
  return problem(
    `PowerShell is ${powershellVersion}, and the agent needs ${oldMajor}.${oldMinor}.`,
    'Install Windows Management Framework 5.1.',
  );
}

function powerShellSpeed(startMs: number): Finding {
  const { ok, warning } = check('host', 'powershell-start');
  const seconds = (startMs / 1000).toFixed(1);
  if (startMs < slowStartMs) return ok(`PowerShell and its first answer took ${seconds} s.`);
  return warning(
    `PowerShell and its first answer took ${seconds} s, which is long.`,
    'Look at the load of the host, and whether antivirus software checks each script: then exclude the folder of the agent.',
  );
}

function hypervRights({ name, hypervAvailable }: HypervHost): Finding {
  const { ok, problem } = check('host', 'hyperv-rights');
  if (hypervAvailable) return ok('Hyper-V is there, and this account may use it.');
  return problem(
    `Hyper-V on ${name} shows nothing to this account: the role is missing, or the account has not the rights.`,
    'Install the Hyper-V role. Run this, and the agent, as LocalSystem or as a member of Hyper-V Administrators, with elevated rights.',
  );
}

function hypervAnswers(answerMs: number, { name }: HypervHost): Finding {
  const { ok, warning } = check('host', 'hyperv-answers');
  const text = `Hyper-V on ${name} answers in ${answerMs < 1000 ? `${Math.ceil(answerMs)} ms` : `${(answerMs / 1000).toFixed(1)} s`}`;
  if (answerMs < slowAnswerMs) return ok(`${text}.`);
  return warning(
    `${text}, which is slow.`,
    'Look at the load of the host and of its storage, and at the events of Hyper-V-VMMS. When it stays so, restart the service vmms at a quiet time: VMs go on running.',
  );
}

function slowTracking({ build }: HypervHost, revision: number | null): Finding {
  const { ok, warning, skipped } = check('host', 'slow-tracking-update');
  if (build === server2019) {
    return ok(
      'On Windows Server 2019 disks may become slow after backups with change tracking; which update ends that is not confirmed. Keep the host updated, and when a VM becomes slow, live-migrate or restart it.',
    );
  }
  if (build !== server2022) return ok('No update with known faults of change tracking is known for this build.');
  if (revision === null) return skipped('Which update of Windows is installed cannot be seen here.');
  if (revision >= fixed2022)
    return ok(`Update ${build}.${revision} has the correction for slow disks with change tracking.`);
  return warning(
    `Update ${build}.${revision} is older than the correction for disks that become slow after backups with change tracking (${build}.${fixed2022}, KB5070884).`,
    'Install a current update of Windows. Until then, live-migrate or restart a VM that has become slow. When a VM does not start after the update, shut it down and delete the .rct and .mrt files of its disks: its next backup is a full one.',
  );
}

function logonRight(refusal: { readonly count: number; readonly lastAt: string | null } | null): Finding {
  const { ok, problem, skipped } = check('host', 'logon-right');
  if (refusal === null) return skipped('The events of Hyper-V cannot be read here, so refused log-ons cannot be seen.');
  if (refusal.count === 0)
    return ok('No refused log-on of a VM (0x8007052F, 0x80070569) is among the last events of Hyper-V.');
  return problem(
    `Hyper-V has reported ${refusal.count} refused log-ons of VMs (0x8007052F or 0x80070569), the last at ${refusal.lastAt ?? 'an unknown time'}.`,
    'A group policy takes the right "Log on as a service" from NT VIRTUAL MACHINE\\Virtual Machines. Give it back there; gpupdate /force helps until the next refresh.',
  );
}
