/** What a compiler has to say besides its plan. Only the command line prints (src/cli/terminal/render.ts). */
export type NoteLevel = 'info' | 'warning' | 'verbose' | 'debug';

export interface Note {
  level: NoteLevel;
  text: string;
}

export class Notes {
  readonly list: Note[] = [];

  info(text: string): void {
    this.list.push({ level: 'info', text });
  }
  warning(text: string): void {
    this.list.push({ level: 'warning', text });
  }
  verbose(text: string): void {
    this.list.push({ level: 'verbose', text });
  }
}
