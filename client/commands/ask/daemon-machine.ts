/** The machine where the daemon runs: paths that it is given are paths there. */
import { homedir } from 'node:os';

import * as daemon from '../../../server/protocol/daemon.ts';
import type { App } from '../../app.ts';
import { readSetting } from '../../ui/settings.ts';
import { localPathStyle } from '../flows/paths.ts';
import type { PathStyle } from '../flows/paths.ts';

export interface DaemonMachine {
  /** Whether it is the machine of this extension: its file dialogs show the files that the daemon sees. */
  readonly local: boolean;
  readonly style: PathStyle;
  /** Its name, for people. */
  readonly name: string;
  /** The home folder, where it is known. */
  readonly home: string;
}

/** Asks the daemon where it runs. */
export async function daemonMachine({ daemon: link }: App): Promise<DaemonMachine> {
  const { machine, platform } = await link.request(daemon.getDaemonStatus, {});
  const local = readSetting('tidemark.daemon.address') === '';
  if (local) return { local, style: localPathStyle, name: machine, home: homedir() };
  return { local, style: platform, name: machine, home: platform === 'windows' ? 'C:\\' : '/' };
}
