/** The palette, quick picks and input boxes of a window. */
import type { Locator, Page } from 'playwright-core';

import { exactly } from './exact.ts';
import { until } from './until.ts';

/** What a quick input says. */
export interface Question {
  readonly title: string;
  /** The prompt, or the complaint about what is typed. */
  readonly message: string;
  readonly invalid: boolean;
}

/** Everything waits by itself; what does not come is Playwright's timeout error, which names it. */
export class QuickInput {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  get widget(): Locator {
    return this.#page.locator('.quick-input-widget');
  }

  get #input(): Locator {
    return this.widget.locator('.quick-input-box input, .quick-input-filter input[type=text]').first();
  }

  /** Runs a command as a user does: F1, its title with the category, and a click on the entry. */
  async command(paletteTitle: string): Promise<void> {
    await this.#page.keyboard.press('F1');
    await this.#input.fill(`>${paletteTitle}`);
    // The list is filtered a moment after the typing: Enter before that would run another command.
    await this.pick(paletteTitle);
  }

  /** Whether the palette offers this command. */
  async offers(paletteTitle: string): Promise<boolean> {
    await this.#page.keyboard.press('F1');
    await this.#input.fill(`>${paletteTitle}`);
    await this.widget.locator('.monaco-list-row').first().waitFor();
    await this.#page.waitForTimeout(300);
    const labels = await this.labels();
    await this.#page.keyboard.press('Escape');
    return labels.includes(paletteTitle);
  }

  #row(label: string): Locator {
    const name = this.#page.locator('.label-name', { hasText: exactly(label) });
    return this.widget.locator('.monaco-list-row').filter({ has: name }).first();
  }

  /** Chooses the entry with this label. */
  async pick(label: string): Promise<void> {
    await this.#row(label).click();
  }

  /** Chooses the entry at the top. */
  async pickFirst(): Promise<void> {
    await this.widget.locator('.monaco-list-row').first().click();
  }

  /** Ticks entries of a pick for several, and accepts. */
  async pickMany(labels: readonly string[]): Promise<void> {
    for (const label of labels) await this.pick(label);
    await this.#page.keyboard.press('Enter');
  }

  /** Labels of the open quick pick, as far as they fit on screen. */
  async labels(): Promise<readonly string[]> {
    await this.widget.locator('.monaco-list-row').first().waitFor();
    return this.widget.locator('.monaco-list-row .label-name').allInnerTexts();
  }

  /** Puts a text into the open input box; `accept: false` leaves the box open, to read what it says. */
  async type(text: string, options: { readonly accept?: boolean } = {}): Promise<void> {
    await this.#input.waitFor();
    await this.#input.fill(text);
    if (options.accept !== false) await this.#page.keyboard.press('Enter');
  }

  /** Replaces the path in VS Code's own file dialog, and accepts. The dialog puts its proposal there after it has read the folder. */
  async typePath(path: string): Promise<void> {
    await until(
      () => this.#input.inputValue(),
      (value) => value !== '',
    );
    await until(
      async () => {
        await this.#input.fill(path);
        await this.#page.waitForTimeout(500);
        return this.#input.inputValue();
      },
      (value) => value === path,
    );
    await this.#page.keyboard.press('Enter');
  }

  /** What the open quick input says. */
  async question(): Promise<Question> {
    await this.widget.waitFor();
    return {
      title: await this.widget.locator('.quick-input-title').innerText(),
      message: await this.widget.locator('.quick-input-message').innerText(),
      invalid:
        (await this.widget.locator('.quick-input-box .monaco-inputbox.error, .quick-input-box .error').count()) > 0,
    };
  }

  /** Confirms what the open input box proposes. */
  async accept(): Promise<void> {
    await this.#page.keyboard.press('Enter');
  }

  /** Waits for the question with this title, which the steps of a command share. */
  async asks(title: string | RegExp): Promise<void> {
    await this.widget.locator('.quick-input-title', { hasText: title }).waitFor();
  }

  /** Waits for a step with this text in its empty box. */
  async asksIn(placeholder: string): Promise<void> {
    await this.widget.getByPlaceholder(placeholder).first().waitFor();
  }

  /** Waits for a step whose text below the box has this. */
  async prompts(text: RegExp): Promise<void> {
    await this.widget.locator('.quick-input-message', { hasText: text }).waitFor();
  }

  /** Waits until the open box refuses what was typed, with a text that has this. */
  async complains(text: RegExp): Promise<void> {
    await this.widget.locator('.quick-input-box .error').first().waitFor();
    await this.prompts(text);
  }
}
