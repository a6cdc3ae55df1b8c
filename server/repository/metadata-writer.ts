/** Collects metadata blobs into packs, each blob once. */
import { Mutex } from '../base/concurrency.ts';
import { contentId } from './blob.ts';
import type { BlobType } from './blob.ts';
import { sealBlob } from './blob-sealer.ts';
import type { RepositoryCore } from './core.ts';
import { PackBuilder } from './pack-builder.ts';

/** Writes metadata packs for one session. */
export class MetadataWriter {
  readonly #core: RepositoryCore;
  readonly #repository: Buffer;
  readonly #mutex = new Mutex();
  #pack = new PackBuilder('meta');
  /** Ids in the pack in hand. */
  #inHand = new Set<string>();

  constructor(core: RepositoryCore) {
    this.#core = core;
    this.#repository = Buffer.from(core.id, 'hex');
  }

  /** Stores content unless a usable pack holds it; gives its id. Durable after `flush`. */
  async put(type: BlobType, content: Uint8Array, signal: AbortSignal): Promise<Buffer> {
    const id = contentId(this.#core.keys, type, content);
    return this.#mutex.run(async () => {
      const key = id.toString('latin1');
      const { index } = this.#core;
      const known = index.find(id);
      if (this.#inHand.has(key) || (known >= 0 && index.isUsable(known))) return id;
      const blob = sealBlob(this.#core.keys, this.#repository, type, id, content);
      // A map that memory or processor spoiled on the way would cost a whole disk: look before it is stored.
      this.#core.opener.open(Buffer.concat(blob.parts), id, { checkId: true });
      this.#pack.add(blob);
      this.#inHand.add(key);
      if (this.#pack.full) await this.#store(signal);
      return id;
    });
  }

  /** Makes what is in hand durable. */
  async flush(signal: AbortSignal): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.#pack.bytes > 0) await this.#store(signal);
    });
  }

  async #store(signal: AbortSignal): Promise<void> {
    const { name, parts, ...pack } = this.#pack.finish();
    this.#pack = new PackBuilder('meta');
    this.#inHand = new Set();
    await this.#core.backend.put(name, parts, { signal });
    this.#core.addPack(pack);
  }
}
