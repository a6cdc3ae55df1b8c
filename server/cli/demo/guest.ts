/** The VM of the demo and its guest: what a FAT32 driver writes in memory becomes writes of the simulated host's guest. */
import { closeSync, fstatSync, openSync } from 'node:fs';

import { createVm, exportRaw, guestWrite, initHost, power } from '../../agent/simulated/index.ts';
import { noise, prose } from './contents.ts';
import { FatVolume } from './fat-volume.ts';
import { FileDevice, MemoryDevice } from './sector-device.ts';

/** Names of the demo's host, VM and disk. */
export const demoNames = { host: 'demo', vm: 'shop', disk: 'data', repository: 'main' } as const;

/** Size of the VM's disk, bytes. */
export const demoDiskBytes = 512 * 1024 * 1024;

/** The file that tells the moments of the demo apart. */
export const notePath = '/NOTE.TXT';
const databasePath = '/orders/orders.db';
const databaseBytes = 24 * 1024 * 1024;
const documents = 24;
const recordings = 12;

/** What the guest wrote to its disk. */
export interface GuestWork {
  readonly bytes: number;
  /** Separate places on the disk. */
  readonly places: number;
}

/** The demo's VM, running, with a file system on its disk. */
export class DemoGuest implements Disposable {
  readonly #root: string;
  readonly #signal: AbortSignal;
  readonly #device: MemoryDevice;
  readonly #volume: FatVolume;
  readonly #close: () => void;

  private constructor(
    root: string,
    signal: AbortSignal,
    device: MemoryDevice,
    volume: FatVolume,
    close: () => void = () => undefined,
  ) {
    this.#root = root;
    this.#signal = signal;
    this.#device = device;
    this.#volume = volume;
    this.#close = close;
  }

  /** Makes the host directory and its VM; the guest formats the disk. */
  static async create(root: string, signal: AbortSignal): Promise<DemoGuest> {
    await initHost(root, { name: 'demo-host' });
    await createVm(root, {
      name: demoNames.vm,
      disks: [{ name: demoNames.disk, sizeBytes: demoDiskBytes }],
      signal,
    });
    const device = new MemoryDevice(demoDiskBytes);
    return new DemoGuest(root, signal, device, await FatVolume.format(device));
  }

  /** The guest as it is after its host was started again: what is on its disk. `scratch` is a file to make, whose content serves until `dispose`. */
  static async open(root: string, scratch: string, signal: AbortSignal): Promise<DemoGuest> {
    await exportRaw(root, demoNames.vm, demoNames.disk, scratch, signal);
    const descriptor = openSync(scratch, 'r');
    const close = (): void => closeSync(descriptor);
    try {
      const { size } = fstatSync(descriptor);
      const device = new MemoryDevice(size, new FileDevice(descriptor, size));
      return new DemoGuest(root, signal, device, await FatVolume.mount(device), close);
    } catch (error) {
      close();
      throw error;
    }
  }

  /** How many working days lie behind the guest. */
  get daysWorked(): number {
    return this.#volume.listFiles('/documents').filter(({ path }) => path.includes('minutes')).length;
  }

  /** The files of a shop: documents and a database that compress, recordings that do not. */
  async fill(note: string): Promise<GuestWork & { readonly files: number }> {
    for (const folder of ['/orders', '/documents', '/recordings']) this.#volume.makeFolder(folder);
    this.#volume.writeFile(databasePath, prose(1, databaseBytes));
    for (let index = 1; index <= documents; index++) {
      this.#volume.writeFile(`/documents/report ${index}.txt`, prose(100 + index, 1024 * 1024));
    }
    for (let index = 1; index <= recordings; index++) {
      this.#volume.writeFile(`/recordings/camera ${index}.bin`, noise(200 + index, 4 * 1024 * 1024));
    }
    this.#writeNote(note);
    return { ...(await this.#flush()), files: this.#volume.listFiles().length };
  }

  /** A day's work: records of the database change here and there, a document is new, another one goes. */
  async work(day: number, note: string): Promise<GuestWork> {
    const places = noise(300 + day, 4 * 24);
    for (let at = 0; at < places.length; at += 4) {
      const offset = Math.floor((places.readUInt32LE(at) / 2 ** 32) * (databaseBytes - 8192));
      this.#volume.patchFile(databasePath, offset, prose(offset, 8192));
    }
    this.#volume.writeFile(`/documents/minutes ${day}.txt`, prose(400 + day, 300_000));
    const report = `/documents/report ${day}.txt`;
    if (day <= documents) this.#volume.removeFile(report);
    this.#writeNote(note);
    return this.#flush();
  }

  /** The power of the host fails under the running VM, and comes back. */
  async powerFailure(): Promise<void> {
    await power(this.#root, demoNames.vm, 'fail', this.#signal);
    await power(this.#root, demoNames.vm, 'on', this.#signal);
  }

  /** A raw copy of the disk of a VM as its guest sees it now. */
  async copyDisk(vm: string, file: string): Promise<void> {
    await exportRaw(this.#root, vm, demoNames.disk, file, this.#signal);
  }

  [Symbol.dispose](): void {
    this.#volume[Symbol.dispose]();
    this.#close();
  }

  #writeNote(note: string): void {
    this.#volume.writeFile(notePath, Buffer.from(`${note}\n`));
  }

  async #flush(): Promise<GuestWork> {
    let bytes = 0;
    let places = 0;
    for (const range of this.#device.takeDirty()) {
      await guestWrite(this.#root, demoNames.vm, demoNames.disk, {
        offset: range.offset,
        from: range.bytes,
        signal: this.#signal,
      });
      bytes += range.bytes.length;
      places++;
    }
    return { bytes, places };
  }
}
