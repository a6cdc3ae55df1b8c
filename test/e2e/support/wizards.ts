/** Going through the wizards of commands, as a user who knows what to answer. */
import { paletteTitle } from '../../support/vscode/labels.ts';
import type { WorkbenchWindow } from '../../support/vscode/window.ts';
import { labPassword } from './lab-host.ts';
import type { LabHost } from './lab-host.ts';

/** Adds a host, mistyping its address first and its password then; each mistake is told in the box, which stays open. */
export async function addHost(window: WorkbenchWindow, host: Pick<LabHost, 'name' | 'url'>): Promise<void> {
  const { quickInput } = window;
  await window.command(paletteTitle('tidemark.host.add'));
  await quickInput.asks('Add Host');
  await quickInput.type('hv02 without a scheme', { accept: false });
  await quickInput.complains(/https:\/\/host/);
  await quickInput.type(host.url);
  await quickInput.prompts(/what to call the host/i);
  await quickInput.type(host.name);
  await quickInput.prompts(/disk parts/i);
  await quickInput.accept();
  await quickInput.pick('Type it now');
  await quickInput.prompts(/password of the agent/i);
  await quickInput.type('not the password');
  await quickInput.complains(/password/i);
  await quickInput.type(labPassword);
}

/** Which disk to restore where to. */
export interface DiskRestore {
  readonly vm: string;
  /** A path that is not there yet. */
  readonly target: string;
}

/** Restores the only disk of the newest restore point of a VM to a raw image, from the palette. */
export async function restoreDisk(window: WorkbenchWindow, { vm, target }: DiskRestore): Promise<void> {
  const { quickInput } = window;
  await window.command(paletteTitle('tidemark.restorePoint.restoreDisk'));
  await quickInput.asksIn('Which VM was backed up');
  await quickInput.pick(vm);
  await quickInput.asksIn('From when');
  await quickInput.pickFirst();
  await quickInput.pick('Raw image');
  // A window in a browser has no dialog of the system: this is VS Code's own, with a path to type.
  await quickInput.asks(/to restore the disk to/);
  await quickInput.typePath(target);
}
