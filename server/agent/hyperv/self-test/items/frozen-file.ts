/** Whether the frozen file of a running VM can be opened beside Hyper-V, and whether its log must be replayed. */
import { open as openFile } from 'node:fs/promises';

import { systemCode } from '../../../../base/files.ts';
import { topics } from '../catalogue.ts';
import { power, setState } from '../host.ts';
import { ownDisk, quietJob, takeCheckpoint } from '../lab.ts';
import type { Lab, Step } from '../lab.ts';
import { open, settled } from '../report.ts';
import type { Question } from '../report.ts';

const procedure = topics.find(({ number }) => number === 10)?.procedure ?? '';
/** The two headers of a VHDX, their sequence number, and the GUID of a log that is in use (MS-VHDX 2.2.2). */
const headers = [64 * 1024, 128 * 1024] as const;
const headerBytes = 64;
const sequenceAt = 8;
const logGuidAt = 48;

export const frozenFile: Step = {
  name: 'reading a frozen disk',
  topics: [10],
  run: async (lab) => {
    const start = await setState(lab.calls, lab.vmId, power.on, lab.signal);
    if (!start.worked) {
      const reason = `The VM could not be started: ${start.text}.`;
      return [{ topic: 10, question: open('A plain open of a frozen file', reason, procedure, start.observed) }];
    }
    try {
      const { id } = await takeCheckpoint(lab);
      try {
        return [{ topic: 10, question: await look(lab, (await ownDisk(lab, id)).path) }];
      } finally {
        await lab.provider.removeCheckpoint(id, { ...quietJob(lab), signal: new AbortController().signal });
      }
    } finally {
      await setState(lab.calls, lab.vmId, power.off, lab.signal);
    }
  },
};

async function look({ guest }: Lab, path: string): Promise<Question> {
  const what = 'A plain open of a frozen file';
  try {
    const dirty = await hasLog(path);
    const text = `It can be opened and read. Its log ${dirty ? 'has to be replayed, which the agent does in memory' : 'is empty'}.`;
    return settled(what, text, { dirtyLog: dirty, guest });
  } catch (error) {
    const code = systemCode(error) ?? 'unknown error';
    return settled(what, `It cannot be opened (${code}): the agent reads copies that Hyper-V exports.`, { code });
  }
}

async function hasLog(path: string): Promise<boolean> {
  const handle = await openFile(path, 'r');
  try {
    let newest = { sequence: -1n, dirty: false };
    for (const position of headers) {
      const header = Buffer.alloc(headerBytes);
      await handle.read(header, 0, headerBytes, position);
      const sequence = header.readBigUInt64LE(sequenceAt);
      const dirty = header.subarray(logGuidAt).some((byte) => byte !== 0);
      if (header.toString('latin1', 0, 4) === 'head' && sequence > newest.sequence) newest = { sequence, dirty };
    }
    return newest.dirty;
  } finally {
    await handle.close();
  }
}
