/** `tidemark.restorePoint.restoreDisk`: restore point, disk, format, file; an existing file is replaced only when that is asked for. */
import { stat } from 'node:fs/promises';

import * as vscode from 'vscode';

import type { RestorePointInfo } from '../../server/protocol/model.ts';
import type { App } from '../app.ts';
import { storageKeys } from '../contributions.ts';
import { pickOne, runSteps } from '../ui/pick.ts';
import { readSetting } from '../ui/settings.ts';
import { formatBytes } from '../../server/base/format.ts';
import { askNewFile } from './ask/ask-folder.ts';
import { PointChoice } from './ask/ask-point.ts';
import { daemonMachine } from './ask/daemon-machine.ts';
import type { DaemonMachine } from './ask/daemon-machine.ts';
import { folderOf, joinPath } from './flows/paths.ts';
import { restoredFileName } from './flows/restore-options.ts';
import type { DiskFileFormat } from './flows/restore-options.ts';
import type { CommandHandler } from './registry.ts';

export function restoreDisk(app: App): CommandHandler<'tidemark.restorePoint.restoreDisk'> {
  return async (target) => {
    const title = vscode.l10n.t('Restore Disk');
    const choice = new PointChoice(app, { title, target });
    let disk = '';
    let format: DiskFileFormat = 'vhdx';
    let file: TargetFile = { path: '', overwrite: false };
    const machine = await daemonMachine(app);
    await runSteps([
      ...choice.steps,
      async (back) => {
        const only = target?.disk ?? onlyDisk(choice.point);
        disk = only ?? (await askDisk(choice.point, title, back));
        return only === undefined;
      },
      async (back) => {
        format = await askFormat(title, back, format);
      },
      async (back) => {
        const proposed = joinPath(
          proposedFolder(app, machine),
          restoredFileName(choice.point, disk, format),
          machine.style,
        );
        file = await askFile(app, machine, { title, back, proposed, format });
      },
    ]);
    await app.extension.globalState.update(storageKeys.lastRestoreFolder, folderOf(file.path, machine.style));
    const { id: restorePoint, repository } = choice.point;
    await app.stores.runs.start({
      kind: 'restore-disk',
      repository,
      restorePoint,
      disk,
      target: file.path,
      format,
      overwrite: file.overwrite,
    });
  };
}

interface TargetFile {
  readonly path: string;
  readonly overwrite: boolean;
}

function onlyDisk({ disks }: RestorePointInfo): string | undefined {
  return disks.length === 1 ? disks[0]?.name : undefined;
}

async function askDisk({ disks }: RestorePointInfo, title: string, back: boolean): Promise<string> {
  return pickOne({
    title,
    back,
    placeholder: vscode.l10n.t('Which disk'),
    choices: disks.map(({ name, sizeBytes, stats }) => ({
      label: name,
      description: vscode.l10n.t('{0}, {1} in use', formatBytes(sizeBytes), formatBytes(stats.dataBytes)),
      iconPath: new vscode.ThemeIcon('database'),
      value: name,
    })),
  });
}

async function askFormat(title: string, back: boolean, selected: DiskFileFormat): Promise<DiskFileFormat> {
  return pickOne<DiskFileFormat>({
    title,
    back,
    placeholder: vscode.l10n.t('As which kind of file'),
    choices: [
      {
        label: 'VHDX',
        detail: vscode.l10n.t('For Hyper-V and Windows, which can mount it; as large as the data in it.'),
        value: 'vhdx',
      },
      {
        label: vscode.l10n.t('Raw image'),
        detail: vscode.l10n.t('The bytes of the disk and nothing else, for tools of any system; holes take no space.'),
        value: 'raw',
      },
    ],
    selected: (value) => value === selected,
  });
}

/** What the setting says, else the folder of last time, else the user's own. */
function proposedFolder({ extension }: App, { home }: DaemonMachine): string {
  const fromSetting = readSetting('tidemark.restore.folder');
  return fromSetting === '' ? extension.globalState.get(storageKeys.lastRestoreFolder, home) : fromSetting;
}

interface FileQuestion {
  readonly title: string;
  readonly back: boolean;
  readonly proposed: string;
  readonly format: DiskFileFormat;
}

async function askFile(app: App, machine: DaemonMachine, question: FileQuestion): Promise<TargetFile> {
  const { title, back, proposed, format } = question;
  const path = await askNewFile(machine, {
    title,
    back,
    proposed,
    prompt: vscode.l10n.t('File on {0} to restore the disk to.', machine.name),
    filters: format === 'vhdx' ? { VHDX: ['vhdx'] } : { [vscode.l10n.t('Raw image')]: ['raw', 'img'] },
  });
  if (machine.local) {
    const overwrite = await exists(path);
    if (overwrite) await app.notify.confirm(replaceQuestion(path));
    return { path, overwrite };
  }
  const overwrite = await pickOne({
    title,
    back: true,
    placeholder: vscode.l10n.t('When {0} exists on {1} already', path, machine.name),
    choices: [
      { label: vscode.l10n.t('Stop'), detail: vscode.l10n.t('The file stays as it is.'), value: false },
      { label: vscode.l10n.t('Replace it'), detail: vscode.l10n.t('What is in it is lost.'), value: true },
    ],
  });
  return { path, overwrite };
}

function replaceQuestion(path: string): {
  readonly message: string;
  readonly detail: string;
  readonly confirm: string;
} {
  return {
    message: vscode.l10n.t('Replace {0}?', path),
    detail: vscode.l10n.t('The file exists. It stays as it is until the restored disk is complete; then it is lost.'),
    confirm: vscode.l10n.t('Replace'),
  };
}

/** Whatever it is: the daemon says what it thinks of a folder. */
async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
