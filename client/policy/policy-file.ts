/** What is known of a policy file of the workspace without parsing it: cheap enough for thousands of files. */
import { createHash } from 'node:crypto';

/** Longest text of a policy that is looked at, in bytes: the daemon takes none that is longer. */
export const maxFileBytes = 1_048_576;

/** A policy file of the workspace. */
export interface PolicyFile {
  readonly uri: string;
  /** From its workspace folder, with slashes. */
  readonly path: string;
  /** The workspace folder, by its URI and its name. */
  readonly folderUri: string;
  readonly folderName: string;
  readonly content: PolicyContent;
}

/** What a file holds. */
export interface PolicyContent {
  /** Absent when it could not be read, is too long, or is no text in UTF-8. */
  readonly text?: string | undefined;
  /** Of the text in UTF-8, hex, as the daemon has it of what it applied. */
  readonly sha256?: string | undefined;
  /** The value of `name`, when it is a plain one. */
  readonly name?: string | undefined;
}

/** What these bytes of a file are. */
export function policyContent(bytes: Uint8Array): PolicyContent {
  if (bytes.length > maxFileBytes) return {};
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Not UTF-8: the language server says so when the file is open.
    return {};
  }
  return contentOf(text);
}

/** What a text is. */
export function contentOf(text: string): PolicyContent {
  return { text, sha256: sha256Of(text), ...nameIn(text) };
}

/** SHA-256 of a text in UTF-8, hex. */
export function sha256Of(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** The key at the beginning of a line: a nested `name` is indented. */
const nameLine = /^name[ \t]*:[ \t]+(?:"([a-z0-9-]{1,64})"|'([a-z0-9-]{1,64})'|([a-z0-9-]{1,64}))[ \t]*(?:#.*)?$/m;

function nameIn(text: string): { readonly name?: string } {
  const match = nameLine.exec(text.replaceAll('\r', ''));
  const name = match?.[1] ?? match?.[2] ?? match?.[3];
  return name === undefined ? {} : { name };
}
