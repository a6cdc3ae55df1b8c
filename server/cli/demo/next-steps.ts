/** What to try on a demo that was kept: commands that can be pasted. */
import { basename, isAbsolute, join, relative } from 'node:path';

import type { CliContext } from '../context.ts';
import type { DemoFolder } from './folder.ts';
import { demoNames } from './guest.ts';

/** The text. `restorePoint` is the newest one's id. */
export function nextSteps(context: CliContext, folder: DemoFolder, restorePoint: string): string {
  // In a checkout the command is not on the PATH.
  const program = basename(context.self.script) === 'tidemark.mjs' ? 'npx tidemark' : 'tidemark';
  const data = `--data ${quoted(folder.data)}`;
  const host = quoted(folder.host);
  const { vm, disk, repository } = demoNames;
  const target = quoted(join(folder.restored, 'data.vhdx'));
  const commands = [
    ['See what is there', `vm list ${data}`],
    ['', `restore-point list ${data}`],
    ['Let the guest write, and back that up', `sim load ${host} ${vm} ${disk} --percent 2`],
    ['', `backup run --vm ${demoNames.host}/${vm} --repo ${repository} --wait ${data}`],
    ['Restore a disk to a VHDX file', `restore disk ${restorePoint} ${disk} --to ${target} ${data}`],
    ['See what the repository holds, and give space back', `repo status ${repository} ${data}`],
    ['', `repo prune ${repository} --keep-last 1 ${data}`],
    ['', `repo gc ${repository} --now ${data}`],
  ];
  const lines = commands.map(([why, command]) => `${why === '' ? '' : `  ${why}:\n`}    ${program} ${command}`);
  return `Agent and daemon run until Ctrl-C. In another terminal, in this folder, try:\n\n${lines.join('\n')}`;
}

/** A path as short as it can be from the working directory, quoted when it must be. */
function quoted(path: string): string {
  const near = relative(process.cwd(), path);
  const short = near === '' || near.startsWith('..') || isAbsolute(near) ? path : near;
  return /^[\w./\\:@+-]+$/.test(short) ? short : `"${short}"`;
}
