/** Settings files of a VS Code server. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { json, record } from '../../../server/protocol/parse.ts';

export type Settings = Readonly<Record<string, unknown>>;

/** Under these nothing opens, asks, or moves by itself. */
const calm: Settings = {
  'chat.disableAIFeatures': true,
  'editor.cursorBlinking': 'solid',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': 'off',
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'npm.autoDetect': 'off',
  'security.workspace.trust.banner': 'never',
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'window.commandCenter': false,
  'window.menuBarVisibility': 'hidden',
  'window.restoreWindows': 'none',
  'workbench.colorTheme': 'Dark 2026',
  'workbench.editor.useModal': 'off',
  'workbench.enableExperiments': false,
  'workbench.layoutControl.enabled': false,
  'workbench.list.smoothScrolling': false,
  'workbench.reduceMotion': 'on',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.settings.enableNaturalLanguageSearch': false,
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
};

const machineFile = (data: string): string => join(data, 'data/Machine/settings.json');

function write(file: string, settings: Settings): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(settings, undefined, 2));
}

/** The user's settings, which a window reads when it opens; they cannot set what is of machine scope. `data` is the server's. */
export function writeUserSettings(data: string, settings: Settings): void {
  write(join(data, 'data/User/settings.json'), { ...calm, ...settings });
}

/** Changes settings of the machine: they win over the user's, and open windows take them over within a second. */
export function changeMachineSettings(data: string, changes: Settings): void {
  const file = machineFile(data);
  const before = existsSync(file)
    ? json(
        readFileSync(file, 'utf8'),
        record((value) => value),
        file,
      )
    : {};
  write(file, { ...before, ...changes });
}
