/** What long work reports while it runs. */
export interface ProgressListener {
  /** One part of the work; resolves to what `work` resolves to. */
  progress<T>(what: string, work: () => Promise<T>): Promise<T>;
  /**
   * Something a person should know: one sentence, and the `event` of the log line it comes from, if
   * it comes from one.
   */
  notice(sentence: string, event?: string): void;
}

export const silentListener: ProgressListener = {
  progress: (_what, work) => work(),
  notice: () => {},
};
