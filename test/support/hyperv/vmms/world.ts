/** The simulated host's files, read at each question; what has not changed since the last one is not read again. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { systemCode } from '../../../../server/base/files.ts';
import { folderPath, hostPath, vmFile } from '../../../../server/agent/simulated/layout.ts';
import { hostState, vmState } from '../../../../server/agent/simulated/state.ts';
import type { HostState, VmDocument } from '../../../../server/agent/simulated/state.ts';
import { TidemarkError } from '../../../../server/protocol/errors.ts';
import { json } from '../../../../server/protocol/parse.ts';
import type { Parser } from '../../../../server/protocol/parse.ts';
import { noNotes, notesFile, vmNotes } from './notes.ts';
import type { VmNotes } from './notes.ts';

/** A VM of the simulated host. */
export interface Vm {
  readonly id: string;
  readonly directory: string;
  readonly document: VmDocument;
  readonly notes: VmNotes;
}

interface CachedFile {
  readonly stamp: string;
  readonly content: unknown;
}

/** One simulated host. */
export class World {
  readonly root: string;
  /** The names of its virtual switches, each once. */
  readonly switches: readonly string[];
  readonly #files = new Map<string, CachedFile>();
  readonly #folders = new Map<string, string>();

  constructor(root: string, switches: readonly string[] = ['Default Switch']) {
    this.root = root;
    this.switches = switches;
  }

  /** Where the fake keeps what belongs to the host and not to a VM. */
  get ownFolder(): string {
    return join(this.root, 'hyperv');
  }

  get host(): HostState {
    const state = this.#read(hostPath(this.root), hostState);
    if (state === undefined) throw new Error(`${this.root} is not a simulated host.`);
    return state;
  }

  /** As Windows writes it: at most 15 characters would be usual, but it is only a label here. */
  get computerName(): string {
    return this.host.name.toUpperCase();
  }

  /** All VMs, by folder. */
  vms(): readonly Vm[] {
    const found: Vm[] = [];
    for (const entry of readdirSync(folderPath(this.root, 'vms'), { withFileTypes: true })) {
      const vm = entry.isDirectory() ? this.#vmIn(entry.name) : undefined;
      if (vm === undefined) continue;
      this.#folders.set(vm.id, entry.name);
      found.push(vm);
    }
    return found;
  }

  /** The VM of that id. */
  vm(id: string): Vm | undefined {
    const wanted = id.toUpperCase();
    const folder = this.#folders.get(wanted);
    const known = folder === undefined ? undefined : this.#vmIn(folder);
    if (known?.id === wanted) return known;
    return this.vms().find((vm) => vm.id === wanted);
  }

  #vmIn(folder: string): Vm | undefined {
    const directory = folderPath(this.root, 'vms', folder);
    try {
      const document = this.#read(join(directory, vmFile), vmState);
      if (document === undefined || document.movedTo !== undefined) return undefined;
      const notes = this.#read(join(directory, notesFile), vmNotes) ?? noNotes;
      return { id: document.id, directory, document: { ...document, name: folder }, notes };
    } catch (error) {
      // A VM whose files are damaged is not shown.
      if (TidemarkError.is(error)) return undefined;
      throw error;
    }
  }

  /** The content of a JSON file; undefined when there is none. */
  #read<T>(path: string, parser: Parser<T>): T | undefined {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) {
      this.#files.delete(path);
      return undefined;
    }
    const stamp = `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
    const cached = this.#files.get(path);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each path is read with one parser only
    if (cached?.stamp === stamp) return cached.content as T;
    try {
      const content = json(readFileSync(path, 'utf8'), parser, path);
      this.#files.set(path, { stamp, content });
      return content;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
}
