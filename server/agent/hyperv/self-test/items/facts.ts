/** What the host says of itself. */
import { getScratchFact } from '../../commands/index.ts';
import { topics } from '../catalogue.ts';
import { ownDisk } from '../lab.ts';
import type { Answer, Step } from '../lab.ts';
import { open, settled } from '../report.ts';

const server2016 = 14_393;
const procedureOf = (number: number): string => topics.find((topic) => topic.number === number)?.procedure ?? '';

/** Merge settings, what this build lacks, Get-VHD, and what no host can settle by itself. */
export const facts: Step = {
  name: 'what the host says of itself',
  topics: [9, 13, 14, 16],
  run: async (lab) => {
    const { calls, signal, vmId, host } = lab;
    const { path } = await ownDisk(lab);
    const seen = await calls.invoke(getScratchFact, { VmId: vmId, Path: path }, signal);
    const { mergeInstanceId, mergeOfVm, getVhdProperties } = seen;
    const answers: Answer[] = [
      {
        topic: 9,
        question:
          mergeInstanceId === null
            ? open(
                'InstanceID and association of Msvm_DiskMergeSettingData',
                'The VM has no such object now.',
                procedureOf(9),
                { mergeOfVm },
              )
            : settled(
                'InstanceID and association of Msvm_DiskMergeSettingData',
                `The InstanceID is ${shape(mergeInstanceId, vmId)}. Msvm_SettingsDefineState leads ${mergeOfVm > 0 ? 'to it' : 'not to it'} from the VM.`,
                { instanceId: mergeInstanceId, mergeOfVm },
              ),
      },
      {
        topic: 13,
        question: open(
          'Which update ends slow tracking',
          'It takes a guest under load, before and after the update.',
          procedureOf(13),
          { build: host.build },
        ),
      },
      { topic: 14, question: lacks(host.build, seen) },
      {
        topic: 16,
        question:
          getVhdProperties === null
            ? open('Tracking in Get-VHD', 'The cmdlet Get-VHD is not installed here.', procedureOf(16))
            : settled('Tracking in Get-VHD', trackingIn(getVhdProperties), { properties: getVhdProperties }),
      },
      {
        topic: 16,
        question: open(
          'SetVirtualDiskInformation version 6 on an attached disk',
          'It is a native function, which the agent does not use.',
          procedureOf(16),
        ),
      },
    ];
    return answers;
  },
};

/** With the VM's GUID as a word, so that reports of several hosts can be compared. */
function shape(instanceId: string, vmId: string): string {
  return instanceId.replaceAll(new RegExp(vmId, 'gi'), '<VM>');
}

function trackingIn(properties: readonly string[]): string {
  const found = properties.filter((name) => /track|rct/i.test(name));
  return found.length === 0
    ? 'No property has to do with tracking.'
    : `These properties have to do with tracking: ${found.join(', ')}.`;
}

function lacks(
  build: number,
  seen: {
    readonly guestBackupType: boolean;
    readonly excludedDisks: boolean;
    readonly guestStateFile: boolean;
    readonly guestStateFileName: string;
  },
): Answer['question'] {
  const { guestBackupType, excludedDisks, guestStateFile, guestStateFileName } = seen;
  const observed = { build, guestBackupType, excludedDisks, guestStateFile, guestStateFileName };
  const what = 'GuestBackupType, ExcludedVirtualHardDisks and GuestStateFile';
  if (build !== server2016)
    return open(
      what,
      `This host is build ${build}; it ${guestBackupType && excludedDisks && guestStateFile ? 'has all three' : 'lacks some of them'}.`,
      procedureOf(14),
      observed,
    );
  const has = (there: boolean): string => (there ? 'there' : 'missing');
  return settled(
    what,
    `On build ${build} GuestBackupType is ${has(guestBackupType)}, ExcludedVirtualHardDisks is ${has(excludedDisks)}, GuestStateFile is ${has(guestStateFile)}.`,
    observed,
  );
}
