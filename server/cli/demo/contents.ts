/** What the demo's guest keeps in its files: the same bytes for the same seed, on every machine. */
import { createCipheriv } from 'node:crypto';

const words = (
  'tide mark water line harbour shore wave current moon ebb flood depth chart buoy anchor vessel cargo ledger invoice ' +
  'order customer account balance total payment delivery warehouse report quarter meeting note decision task owner'
).split(' ');

/** Bytes that do not compress, like photos and recordings: a keystream of AES-128-CTR. */
export function noise(seed: number, length: number): Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

const wordsOfSentence = 5;
/** One sentence for each value of a byte. */
const sentences = Array.from({ length: 256 }, (_, index) => {
  const choices = noise(index, wordsOfSentence);
  return `${Array.from(choices, (choice) => words[choice % words.length] ?? '').join(' ')}.\n`;
});

/** Lines of text, like documents and databases: they compress well. */
export function prose(seed: number, length: number): Buffer {
  const text = Buffer.alloc(length, '.');
  const shortest = 20;
  let at = 0;
  for (const choice of noise(seed, Math.ceil(length / shortest))) {
    if (at >= length) break;
    at += text.write(sentences[choice] ?? '', at, 'latin1');
  }
  return text;
}
