/** The agent's side of one data connection (protocol/data.ts): requests one after the other, disks kept open between them. */
import type { Socket } from 'node:net';

import { Mutex } from '../base/concurrency.ts';
import type { FairLimit } from '../base/fair-limit.ts';
import { FrameReceiver, violation } from '../base/frames.ts';
import type { Logger } from '../base/log.ts';
import { frameType, maxRequestBytes, readRequest, writeRequest } from '../protocol/data.ts';
import type { FrameHeader, ReadRequest } from '../protocol/data.ts';
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import { json } from '../protocol/parse.ts';
import { FrameOutput } from './frame-output.ts';
import { providerError } from './handlers.ts';
import type { DiskReader, HostProvider } from './provider.ts';
import { PayloadMemory } from './payload-memory.ts';
import { ReadPump } from './read-pump.ts';
import type { ReadableDisk } from './read-pump.ts';
import { RestoreWriter } from './restore-writer.ts';
import { notOpen } from './session.ts';
import type { Scope, Session } from './session.ts';
import type { AgentTiming } from './timing.ts';

interface OpenDisk {
  readonly key: string;
  readonly reader: DiskReader;
  readonly scope: Scope;
  close(): Promise<void>;
}

/** What data connections of one agent share. */
export interface DataServices {
  readonly provider: HostProvider;
  readonly timing: AgentTiming;
  readonly log: Logger;
  /** Reads of disks at a time, over all sessions. */
  readonly reads: FairLimit;
}

/** Serves an upgraded socket until it closes; everything it had open is closed when this resolves. */
export async function serveData(socket: Socket, session: Session, services: DataServices): Promise<void> {
  const { log } = services;
  session.connections.add(socket);
  const server = new DataServer(socket, session, services);
  try {
    await server.run();
  } catch (error) {
    if (TidemarkError.is(error)) log.log('warning', `a data connection broke the protocol: ${error.message}`);
    else log.log('debug', 'a data connection broke', error);
  } finally {
    session.connections.delete(socket);
    socket.destroy();
    await server.release();
  }
}

class DataServer {
  readonly #socket: Socket;
  readonly #session: Session;
  readonly #provider: HostProvider;
  readonly #log: Logger;
  readonly #reads: FairLimit;
  readonly #output: FrameOutput;
  readonly #pump: ReadPump;
  readonly #gone = new AbortController();
  /** Held while a disk is used; closing one from outside waits for it. */
  readonly #mutex = new Mutex();
  readonly #memory = new PayloadMemory();
  readonly #received: { readonly header: FrameHeader; readonly payload: Buffer }[] = [];
  #disk: OpenDisk | undefined;
  #writer: RestoreWriter | undefined;

  constructor(socket: Socket, session: Session, { provider, timing, log, reads }: DataServices) {
    this.#socket = socket;
    this.#session = session;
    this.#provider = provider;
    this.#log = log;
    this.#reads = reads;
    this.#output = new FrameOutput(socket, timing.quietMs);
    this.#pump = new ReadPump(this.#output);
    socket.setKeepAlive(true, 30_000);
    socket.setNoDelay(true);
    socket.on('close', () =>
      this.#gone.abort(new TidemarkError(errorCodes.agentConnectionLost, 'The data connection closed.')),
    );
  }

  async run(): Promise<void> {
    const receiver = new FrameReceiver({
      allocate: (header) => {
        const limit = header.type === frameType.data ? header.rawBytes : maxRequestBytes;
        if (header.storedBytes > limit) throw violation('a request that is too large');
        return this.#memory.take(header.storedBytes);
      },
      frame: (header, payload) => this.#received.push({ header, payload }),
    });
    for await (const bytes of this.#socket) {
      if (!Buffer.isBuffer(bytes)) throw violation('a text');
      receiver.push(bytes);
      for (let next = this.#received.shift(); next !== undefined; next = this.#received.shift()) {
        const { header, payload } = next;
        await this.#mutex.run(async () => this.#output.whileBusy(async () => this.#handle(header, payload)));
        if (payload.length > 0) this.#memory.give(payload);
        await this.#output.drained(this.#gone.signal);
        if (this.#gone.signal.aborted) return;
      }
    }
  }

  /** Closes what is open. */
  async release(): Promise<void> {
    await this.#mutex.run(async () => this.#closeAll());
  }

  async #closeAll(): Promise<void> {
    const disk = this.#disk;
    const writer = this.#writer;
    this.#disk = undefined;
    this.#writer = undefined;
    for (const outcome of await Promise.allSettled([disk?.close(), writer?.close()])) {
      if (outcome.status === 'rejected') this.#log.log('warning', 'closing a disk failed', outcome.reason);
    }
  }

  async #handle(header: FrameHeader, payload: Buffer): Promise<void> {
    switch (header.type) {
      case frameType.read:
        if (this.#writer !== undefined) throw violation('a read in the middle of a write');
        await this.#read(header.request, payload);
        return;
      case frameType.write:
        if (this.#writer !== undefined) throw violation('a write in the middle of another');
        await this.#beginWrite(header.request, payload);
        return;
      case frameType.data:
        await this.#write(header, payload);
        return;
      case frameType.end:
        await this.#endWrite(header);
        return;
      case frameType.zero:
      case frameType.failed:
      case frameType.wait:
        throw violation('a frame that only an agent sends');
    }
  }

  async #read(request: number, payload: Buffer): Promise<void> {
    try {
      const read = json(payload.toString('utf8'), readRequest, 'The read request');
      const disk = await this.#openDisk(read);
      const signal = AbortSignal.any([this.#gone.signal, disk.scope.signal]);
      await this.#pump.answer(request, read, this.#limited(disk, signal), signal);
      this.#output.message(frameType.end, request);
    } catch (error) {
      this.#fail(request, 'reading a disk', error);
    }
  }

  /** The disk as this session may read it: in turns with the others, counted. */
  #limited({ reader, scope }: OpenDisk, signal: AbortSignal): ReadableDisk {
    return {
      sizeBytes: reader.sizeBytes,
      read: async (target, offset) => {
        await this.#reads.run(this.#session, signal, async () => reader.read(target, offset));
        scope.bytes += target.length;
      },
    };
  }

  #fail(request: number, doing: string, error: unknown): void {
    if (this.#gone.signal.aborted) return;
    this.#output.message(frameType.failed, request, providerError(error, doing, this.#log).report());
  }

  async #openDisk({ exportId, diskId }: ReadRequest): Promise<OpenDisk> {
    const key = `${exportId} ${diskId}`;
    if (this.#disk?.key === key) return this.#disk;
    await this.#closeAll();
    const scope = this.#session.exports.get(exportId);
    if (scope === undefined) throw notOpen('export', exportId);
    const leave = scope.enter();
    try {
      const reader = await this.#provider.openDisk(exportId, diskId);
      const disk: OpenDisk = {
        key,
        reader,
        scope,
        close: async () => {
          scope.signal.removeEventListener('abort', onAbort);
          try {
            await reader.close();
          } finally {
            leave();
          }
        },
      };
      const onAbort = (): void => {
        void this.release();
      };
      scope.signal.addEventListener('abort', onAbort, { once: true });
      if (scope.signal.aborted) onAbort();
      this.#disk = disk;
      return disk;
    } catch (error) {
      leave();
      throw error;
    }
  }

  async #beginWrite(request: number, payload: Buffer): Promise<void> {
    await this.#closeAll();
    let leave: (() => void) | undefined;
    try {
      const { sessionId, diskId } = json(payload.toString('utf8'), writeRequest, 'The write request');
      const scope = this.#session.restores.get(sessionId);
      if (scope === undefined) throw notOpen('restore', sessionId);
      leave = scope.enter();
      const disk = await this.#provider.openRestoreDisk(sessionId, diskId);
      const writer = RestoreWriter.open(request, scope, leave, disk);
      this.#writer = writer;
      const onAbort = (): void => {
        void this.#mutex.run(async () => (writer.healthy ? this.#giveUp(writer, scope.signal.reason) : undefined));
      };
      scope.signal.addEventListener('abort', onAbort, { once: true });
      if (scope.signal.aborted) onAbort();
    } catch (error) {
      leave?.();
      this.#writer = RestoreWriter.broken(request);
      this.#fail(request, 'opening a disk to restore', error);
    }
  }

  async #write(header: FrameHeader, payload: Buffer): Promise<void> {
    const writer = this.#writer;
    if (writer?.request !== header.request) throw violation('data for something that is not being written');
    try {
      await writer.write(header, payload);
    } catch (error) {
      await this.#giveUp(writer, error);
    }
  }

  async #endWrite(header: FrameHeader): Promise<void> {
    const writer = this.#writer;
    if (writer?.request !== header.request || header.storedBytes !== 0) throw violation('an end of nothing');
    const { healthy } = writer;
    try {
      await writer.finish();
      if (healthy) this.#output.message(frameType.end, header.request);
    } catch (error) {
      await this.#giveUp(writer, error);
    }
    this.#writer = undefined;
  }

  async #giveUp(writer: RestoreWriter, error: unknown): Promise<void> {
    try {
      await writer.close();
    } catch (closeError) {
      this.#log.log('warning', 'closing a disk failed', closeError);
    }
    this.#fail(writer.request, 'restoring a disk', error);
  }
}
