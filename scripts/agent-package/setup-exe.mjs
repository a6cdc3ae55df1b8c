// setup.exe, where makensis is installed.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { version } from '../server-bundle.mjs';
import { root } from '../setup.mjs';

/** Makes setup.exe of the package's folder and gives its path; undefined, with one line, where makensis is not installed. */
export function makeSetup(folder, target, as = version) {
  const defines = [`-DVERSION=${as}`, `-DFOLDER=${folder}`, `-DOUTFILE=${target}`];
  const script = join(root, 'installer/setup.nsi');
  const result = spawnSync('makensis', ['-V2', '-WX', '-INPUTCHARSET', 'UTF8', ...defines, script], {
    encoding: 'utf8',
  });
  if (result.error?.code === 'ENOENT') {
    console.log('No setup.exe: makensis is not installed (Debian package nsis).');
    return undefined;
  }
  if (result.status !== 0) throw new Error(`makensis failed:\n${result.stdout}${result.stderr}`);
  return target;
}
