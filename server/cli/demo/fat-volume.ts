/**
 * The file system of the demo's guest: FAT32 in the first partition of a disk, made, written and read by FatFs
 * (elm-chan.org/fsw/ff) as WebAssembly, so that it is a real one on every platform without any tool of the machine.
 */
import * as fat from 'js-fatfs';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { sectorBytes } from './sector-device.ts';
import type { SectorDevice } from './sector-device.ts';

/** A file or folder, as a listing shows it. */
export interface FileEntry {
  readonly path: string;
  readonly sizeBytes: number;
}

const clusterBytes = 4096;
const bufferBytes = 256 * 1024;
/** Where the data area is aligned to, sectors: 1 MiB. */
const alignmentSectors = 2048;

/** A mounted volume. Paths begin with `/`. Every method throws `TM1900` when FatFs refuses, with its reason. */
export class FatVolume implements Disposable {
  readonly #api: fat.FatFs;
  readonly #bridge: DeviceBridge;
  readonly #mount: number;
  readonly #file: number;
  readonly #buffer: number;
  readonly #count: number;

  private constructor(api: fat.FatFs, bridge: DeviceBridge) {
    this.#api = api;
    this.#bridge = bridge;
    this.#mount = api.malloc(fat.sizeof_FATFS);
    this.#file = api.malloc(fat.sizeof_FIL);
    this.#buffer = api.malloc(bufferBytes);
    this.#count = api.malloc(4);
    this.#check(api.f_mount(this.#mount, '', 1), 'be mounted');
  }

  /** Opens the volume on a disk. */
  static async mount(device: SectorDevice): Promise<FatVolume> {
    const bridge = new DeviceBridge(device);
    return new FatVolume(await fat.create({ diskio: bridge }), bridge);
  }

  /** Makes a partition table with one partition, and an empty FAT32 volume in it. */
  static async format(device: SectorDevice): Promise<FatVolume> {
    const bridge = new DeviceBridge(device);
    const api = await fat.create({ diskio: bridge });
    const work = api.malloc(bufferBytes);
    const options = { fmt: fat.FM_FAT32, n_fat: 2, align: alignmentSectors, n_root: 0, au_size: clusterBytes };
    const result = api.f_mkfs('', options, work, bufferBytes);
    api.free(work);
    bridge.check(result, 'be formatted');
    return new FatVolume(api, bridge);
  }

  makeFolder(path: string): void {
    this.#check(this.#api.f_mkdir(path), `make ${path}`);
  }

  /** Writes a new file, or replaces one. */
  writeFile(path: string, bytes: Uint8Array): void {
    this.#withFile(path, fat.FA_CREATE_ALWAYS | fat.FA_WRITE, () => this.#write(path, bytes));
  }

  /** Overwrites a part of a file, from byte `offset` on. */
  patchFile(path: string, offset: number, bytes: Uint8Array): void {
    this.#withFile(path, fat.FA_OPEN_EXISTING | fat.FA_WRITE, () => {
      this.#check(this.#api.f_lseek(this.#file, offset), `seek in ${path}`);
      this.#write(path, bytes);
    });
  }

  removeFile(path: string): void {
    this.#check(this.#api.f_unlink(path), `remove ${path}`);
  }

  readFile(path: string): Buffer {
    return this.#withFile(path, fat.FA_OPEN_EXISTING | fat.FA_READ, () => {
      const content = Buffer.alloc(this.#api.f_size(this.#file));
      for (let done = 0; done < content.length;) {
        const wanted = Math.min(bufferBytes, content.length - done);
        this.#check(this.#api.f_read(this.#file, this.#buffer, wanted, this.#count), `read ${path}`);
        if (this.#api.getValue(this.#count, 'i32') !== wanted) throw refusal(`read ${path} to its end`);
        content.set(this.#api.HEAPU8.subarray(this.#buffer, this.#buffer + wanted), done);
        done += wanted;
      }
      return content;
    });
  }

  /** All files in a folder and below it. */
  listFiles(folder = ''): FileEntry[] {
    const directory = this.#api.malloc(fat.sizeof_DIR);
    const info = this.#api.malloc(fat.sizeof_FILINFO);
    const files: FileEntry[] = [];
    const folders: string[] = [];
    try {
      this.#check(this.#api.f_opendir(directory, folder === '' ? '/' : folder), `list ${folder}`);
      for (;;) {
        this.#check(this.#api.f_readdir(directory, info), `list ${folder}`);
        const name = this.#api.FILINFO_fname(info);
        if (name === '') break;
        const path = `${folder}/${name}`;
        if ((this.#api.FILINFO_fattrib(info) & fat.AM_DIR) !== 0) folders.push(path);
        else files.push({ path, sizeBytes: this.#api.FILINFO_fsize(info) });
      }
      this.#check(this.#api.f_closedir(directory), `list ${folder}`);
    } finally {
      this.#api.free(info);
      this.#api.free(directory);
    }
    return [...files, ...folders.flatMap((path) => this.listFiles(path))];
  }

  [Symbol.dispose](): void {
    this.#api.f_unmount('');
  }

  #write(path: string, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const part = bytes.subarray(done, done + bufferBytes);
      this.#api.HEAPU8.set(part, this.#buffer);
      this.#check(this.#api.f_write(this.#file, this.#buffer, part.length, this.#count), `write ${path}`);
      if (this.#api.getValue(this.#count, 'i32') !== part.length) throw refusal(`hold ${path}: it is full`);
      done += part.length;
    }
  }

  #withFile<T>(path: string, mode: number, use: () => T): T {
    this.#check(this.#api.f_open(this.#file, path, mode), `open ${path}`);
    try {
      return use();
    } finally {
      this.#check(this.#api.f_close(this.#file), `close ${path}`);
    }
  }

  #check(result: number, what: string): void {
    this.#bridge.check(result, what);
  }
}

/** FatFs's view of a device. Errors must not unwind through WebAssembly: they are kept, and thrown by `check`. */
class DeviceBridge implements fat.DiskIO {
  readonly #device: SectorDevice;
  #failure: unknown;

  constructor(device: SectorDevice) {
    this.#device = device;
  }

  initialize(): number {
    return fat.RES_OK;
  }

  status(): number {
    return fat.RES_OK;
  }

  read(api: fat.FatFs, _drive: number, buffer: number, sector: number, count: number): number {
    const target = api.HEAPU8.subarray(buffer, buffer + count * sectorBytes);
    return this.#try(() => this.#device.read(target, sector * sectorBytes));
  }

  write(api: fat.FatFs, _drive: number, buffer: number, sector: number, count: number): number {
    const bytes = api.HEAPU8.subarray(buffer, buffer + count * sectorBytes);
    return this.#try(() => this.#device.write(bytes, sector * sectorBytes));
  }

  ioctl(api: fat.FatFs, _drive: number, command: number, buffer: number): number {
    switch (command) {
      case fat.CTRL_SYNC:
        return fat.RES_OK;
      case fat.GET_SECTOR_COUNT:
        api.setValue(buffer, this.#device.sizeBytes / sectorBytes, 'i32');
        return fat.RES_OK;
      case fat.GET_SECTOR_SIZE:
        api.setValue(buffer, sectorBytes, 'i16');
        return fat.RES_OK;
      case fat.GET_BLOCK_SIZE:
        api.setValue(buffer, alignmentSectors, 'i32');
        return fat.RES_OK;
      default:
        return fat.RES_PARERR;
    }
  }

  /** Throws when `result` is not FatFs's FR_OK. */
  check(result: number, what: string): void {
    if (result !== fat.FR_OK) throw refusal(`${what} (FatFs result ${result})`, this.#failure);
  }

  #try(action: () => void): number {
    try {
      action();
      return fat.RES_OK;
    } catch (error) {
      this.#failure = error;
      return fat.RES_ERROR;
    }
  }
}

function refusal(what: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.internal, `The guest's file system cannot ${what}.`, { cause });
}
