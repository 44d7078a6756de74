/** Receives the progress of long work. */
export interface ProgressListener {
  /** Runs one part of the work and resolves to its result. */
  progress<T>(what: string, work: () => Promise<T>): Promise<T>;
  /** Something that a person should know: one sentence. */
  notice(sentence: string): void;
}

export const silentListener: ProgressListener = {
  progress: (_what, work) => work(),
  notice: () => {},
};
