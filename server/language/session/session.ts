/** What one window's server knows: the open files, and what the editor answered. */
import { isDeepStrictEqual } from 'node:util';

import type { TextDocument } from 'vscode-languageserver-textdocument';

import { checkPolicy } from '../../policy/index.ts';
import type { OtherPolicy, PolicyDiagnostic } from '../../policy/index.ts';
import type { AppliedPolicy } from '../../protocol/daemon/policy-model.ts';
import type { PolicyInventory } from '../../protocol/policy-inventory.ts';
import type { LanguageContext } from '../context.ts';
import { policyDocument } from '../document.ts';
import type { PolicyDocument } from '../document.ts';
import type { FilePolicy } from './workspace-policies.ts';

/** What the editor knows of the daemon. */
export interface EditorKnowledge {
  readonly inventory: PolicyInventory | undefined;
  readonly applied: readonly AppliedPolicy[];
  readonly trusted: boolean;
}

/** Before the editor has answered. */
export const nothingKnown: EditorKnowledge = { inventory: undefined, applied: [], trusted: false };

/**
 * What is known after another answer. What is the same stays the same object: trees change often and seldom in what matters here, and the
 * checks keep what they worked out from an inventory.
 */
export function newerKnowledge(
  before: EditorKnowledge,
  { inventory, applied, trusted }: EditorKnowledge,
): EditorKnowledge {
  const kept = isDeepStrictEqual(inventory, before.inventory) ? before.inventory : inventory;
  const same = kept === before.inventory && trusted === before.trusted && isDeepStrictEqual(applied, before.applied);
  return same ? before : { inventory: kept, applied, trusted };
}

/** Where a session gets what it does not keep itself. */
export interface SessionSources {
  readonly knowledge: () => EditorKnowledge;
  readonly files: () => readonly FilePolicy[];
  /** The open documents. */
  readonly open: () => readonly TextDocument[];
  /** ms since 1970. */
  readonly clock: () => number;
}

interface Parsed {
  readonly version: number;
  readonly document: PolicyDocument;
}

export class Session {
  /** URI of the page that explains the codes of diagnostics. */
  documentation: string | undefined;
  readonly #sources: SessionSources;
  readonly #parsed = new Map<string, Parsed>();

  constructor(sources: SessionSources) {
    this.#sources = sources;
  }

  /** An open document, parsed once per version. */
  document(text: TextDocument): PolicyDocument {
    const known = this.#parsed.get(text.uri);
    if (known?.version === text.version && known.document.text === text) return known.document;
    const document = policyDocument(text);
    this.#parsed.set(text.uri, { version: text.version, document });
    return document;
  }

  forget(uri: string): void {
    this.#parsed.delete(uri);
  }

  /** What features of this document know. */
  contextOf(document: PolicyDocument): LanguageContext {
    const { inventory, applied, trusted } = this.#sources.knowledge();
    return {
      now: this.#sources.clock(),
      inventory,
      applied,
      trusted,
      others: this.#others(document, applied),
      documentation: this.documentation,
    };
  }

  /** Everything that is wrong with a document. */
  findings(document: PolicyDocument, context: LanguageContext): readonly PolicyDiagnostic[] {
    return checkPolicy(document.source, context);
  }

  #others(document: PolicyDocument, applied: readonly AppliedPolicy[]): readonly OtherPolicy[] {
    const files = this.#sources.files();
    const listed = new Set(files.map((file) => file.uri));
    const counts = (uri: string): boolean => listed.has(uri) || ownScheme.test(uri);
    const { uri } = document.text;
    if (!counts(uri)) return [];
    const open = this.#sources.open().flatMap((text) => (counts(text.uri) ? [this.document(text)] : []));
    const opened = new Set(open.map(({ text }) => text.uri));
    const all: readonly OtherPolicy[] = [
      ...open.map(({ text, source }) => ({ uri: text.uri, draft: source.draft, source })),
      ...files.filter((file) => !opened.has(file.uri)),
    ];
    // What is applied from a file is that file's policy, not another one.
    const named = new Set(all.map(({ draft }) => draft.name));
    const appliedOnly = applied.filter(({ name }) => !named.has(name));
    return [
      ...all.filter((file) => file.uri !== uri),
      ...appliedOnly.map(({ name, repository }) => ({ draft: { name, repository } })),
    ];
  }
}

/** Documents of other schemes, such as the old side of a comparison, are copies of policies and no policies of their own, unless the editor lists them. */
const ownScheme = /^(?:file|untitled):/;
