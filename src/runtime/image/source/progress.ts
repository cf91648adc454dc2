/** What is told about work that takes a while; how it is shown is the command line's business. */
export interface ProgressEvent {
  /** The same for all events of one piece of work. */
  id: string;
  /** What it is: `layer 3f4a…`, `packing`. */
  label: string;
  doneBytes: number;
  /** Unknown for some servers. */
  totalBytes?: number;
  state: 'start' | 'progress' | 'end';
}

export type OnProgress = (event: ProgressEvent) => void;
