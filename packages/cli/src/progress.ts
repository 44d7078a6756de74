/** Receives the progress of long work. */
export interface ProgressListener {
  /** Runs one part of the work and resolves to its result. */
  progress<T>(what: string, work: () => Promise<T>): Promise<T>;
  /** Receives a sentence for a person; with the `event` of the log line that it comes from. */
  notice(sentence: string, event?: string): void;
}

export const silentListener: ProgressListener = {
  progress: (_what, work) => work(),
  notice: () => {},
};
